/**
 * Environment: what a program may know of the machine that runs it.
 *
 * Owns the list of variables that pass from the agent to a program, and the names by which a program finds its
 * parameters and assets. Pure. A friend's program must not find its host's keys: what is not listed does not pass, and
 * what is named like a secret does not pass even when it is listed.
 */
import { type Json, valuesOf } from '#protocol'
import type { AttemptSpec } from '../ports.js'
import { type WandbPaths, wandbVariables } from './wandb.js'

export type Environment = Readonly<Record<string, string>>

/** Where a program finds its files; absolute paths. */
export interface ProgramPaths extends WandbPaths {
  readonly parameters: string
  readonly metrics: string
  readonly checkpoint: string
}

const ALLOWED = new Set([
  // What any program needs.
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'TEMP', 'TMP'],
  // Windows.
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'WINDIR', 'COMSPEC', 'PATHEXT', 'USERNAME', 'USERPROFILE', 'HOMEDRIVE', 'HOMEPATH'],
  ...['APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA', 'PROGRAMFILES', 'NUMBER_OF_PROCESSORS', 'PROCESSOR_ARCHITECTURE'],
  // Python, shared libraries, certificates.
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE'],
  // Where models and data sets already lie.
  ...['HF_HOME', 'HF_HUB_CACHE', 'HF_DATASETS_CACHE', 'HF_HUB_OFFLINE', 'HF_ENDPOINT', 'TRANSFORMERS_CACHE'],
  ...['TRANSFORMERS_OFFLINE', 'TORCH_HOME', 'KERAS_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'TOKENIZERS_PARALLELISM']
])

/** Settings of drivers and of numerical libraries. */
const ALLOWED_PREFIXES = [
  ...['LC_', 'CUDA_', 'CUDNN_', 'NVIDIA_', 'NCCL_', 'ROCM_', 'ROCR_', 'HIP_', 'HSA_', 'AMD_', 'MIOPEN_', 'ONEAPI_'],
  ...[
    'ZE_',
    'PYTORCH_',
    'TORCH_',
    'TORCHINDUCTOR_',
    'TF_CPP_',
    'TF_CUDNN_',
    'TF_ENABLE_',
    'TF_FORCE_',
    'TF_GPU_',
    'TF_XLA_',
    'XLA_',
    'JAX_',
    'TRITON_',
    'GGML_',
    'MLX_',
    'OMP_'
  ],
  ...['MKL_', 'OPENBLAS_']
]

const SECRET =
  /(?:^|_)(?:TOKENS?|[A-Z]*KEYS?|SECRETS?|PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|PAT|CREDENTIALS?|AUTH)(?:_|$)/

/** Returns the part of the agent's environment that a program may see. Names compare without case, as on Windows. */
export function allowedOf(agent: Readonly<Record<string, string | undefined>>): Environment {
  return Object.fromEntries(
    Object.entries(agent).filter((entry): entry is [string, string] => entry[1] !== undefined && isAllowed(entry[0]))
  )
}

/** Makes output come at once, plain, and stay on this machine. */
const HABITS: Environment = {
  PYTHONUNBUFFERED: '1',
  TQDM_MININTERVAL: '5',
  TERM: 'dumb',
  NO_COLOR: '1',
  COLUMNS: '200'
}

/**
 * Returns the whole environment of an attempt's program.
 *
 * @param allowed  What `allowedOf` left of the agent's own. The device's binding comes last and wins.
 */
export function programEnvironment(allowed: Environment, paths: ProgramPaths, attempt: AttemptSpec): Environment {
  return {
    ...allowed,
    ...HABITS,
    ...wandbVariables(paths, attempt),
    ...variables('PARAM', Object.entries(valuesOf(attempt.spec, attempt.parameters))),
    ...variables('ASSET', Object.entries(attempt.assets ?? {})),
    HYPERSWEEP: '1',
    HYPERSWEEP_ATTEMPT_ID: attempt.id,
    HYPERSWEEP_SWEEP: attempt.sweep,
    HYPERSWEEP_TRIAL: String(attempt.trial),
    HYPERSWEEP_ATTEMPT: String(attempt.attempt),
    HYPERSWEEP_SEED: String(attempt.seed),
    HYPERSWEEP_RESUME: attempt.resume ? '1' : '0',
    HYPERSWEEP_PARAMETERS: paths.parameters,
    HYPERSWEEP_METRICS: paths.metrics,
    HYPERSWEEP_CHECKPOINT: paths.checkpoint,
    ...attempt.environment
  }
}

/** Returns a value as Python prints it. A number's shortest form reads back as exactly the same number. */
export function pythonText(value: Json): string {
  return typeof value === 'string' ? value : pythonLiteral(value)
}

/** Inside a list or a map Python puts texts in quotes. */
function pythonLiteral(value: Json): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'string') return `'${value.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`
  if (typeof value === 'number') return String(value)
  if (isList(value)) return `[${value.map(pythonLiteral).join(', ')}]`
  const entries = Object.entries(value).map(([name, each]) => `${pythonLiteral(name)}: ${pythonLiteral(each)}`)
  return `{${entries.join(', ')}}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function variables(kind: 'PARAM' | 'ASSET', values: readonly (readonly [string, Json])[]): Environment {
  const nameOf = (name: string) => `HYPERSWEEP_${kind}_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  return Object.fromEntries(values.map(([name, value]) => [nameOf(name), pythonText(value)]))
}

function isAllowed(name: string): boolean {
  const upper = name.toUpperCase()
  const isListed = ALLOWED.has(upper) || ALLOWED_PREFIXES.some(prefix => upper.startsWith(prefix))
  return isListed && !SECRET.test(upper)
}
