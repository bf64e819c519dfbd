/**
 * The calls into NVML, NVIDIA's management library.
 *
 * Owns loading, the functions' signatures and what their codes mean. For the child process only (nvml-child.ts): a
 * wrong pointer or a driver's bug here ends the process, and a call may hang for good.
 * Invariant: a function that a driver lacks gives a code like any other failure.
 */
import type { LibraryHandle } from 'koffi'
import type { Reading } from '../ports.js'
import { CODE } from './nvml-layout.js'

/** What one look gave: readings; or a driver that is there and ails; or nothing to be read on this machine. */
export type NvmlAnswer =
  | { readonly state: 'readings'; readonly readings: readonly Reading[] }
  | { readonly state: 'fault'; readonly fault: string }
  | { readonly state: 'absent'; readonly reason: string }

/** A failure of the library as a whole, and the answer that it gives. */
export class NvmlFailure extends Error {
  override readonly name = 'NvmlFailure'
  readonly answer: NvmlAnswer

  constructor(answer: NvmlAnswer) {
    super(answer.state)
    this.answer = answer
  }
}

/** A library's function: takes numbers, pointers and buffers to fill, returns a code. */
type Call = (...values: Value[]) => number
type Value = number | bigint | Buffer

/** Every function that we call, with its arguments in koffi's words; a `uint8_t *` is a buffer to be filled. */
const SIGNATURES = {
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlDeviceGetCount_v2: ['uint8_t *'],
  nvmlDeviceGetHandleByIndex_v2: ['uint', 'uint8_t *'],
  nvmlDeviceGetName: ['void *', 'uint8_t *', 'uint'],
  nvmlDeviceGetUUID: ['void *', 'uint8_t *', 'uint'],
  nvmlDeviceGetCudaComputeCapability: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetMigMode: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetMemoryInfo: ['void *', 'uint8_t *'],
  nvmlDeviceGetMemoryInfo_v2: ['void *', 'uint8_t *'],
  nvmlDeviceGetUtilizationRates: ['void *', 'uint8_t *'],
  nvmlDeviceGetTemperature: ['void *', 'int', 'uint8_t *'],
  nvmlDeviceGetTemperatureV: ['void *', 'uint8_t *'],
  nvmlDeviceGetPowerUsage: ['void *', 'uint8_t *'],
  nvmlDeviceGetEnforcedPowerLimit: ['void *', 'uint8_t *'],
  nvmlDeviceGetDisplayActive: ['void *', 'uint8_t *'],
  nvmlDeviceGetComputeRunningProcesses: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetComputeRunningProcesses_v2: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetComputeRunningProcesses_v3: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetGraphicsRunningProcesses: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetGraphicsRunningProcesses_v2: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetGraphicsRunningProcesses_v3: ['void *', 'uint8_t *', 'uint8_t *'],
  nvmlDeviceGetProcessUtilization: ['void *', 'uint8_t *', 'uint8_t *', 'uint64_t'],
  nvmlEventSetCreate: ['uint8_t *'],
  nvmlDeviceRegisterEvents: ['void *', 'uint64_t', 'void *'],
  nvmlEventSetWait_v2: ['void *', 'uint8_t *', 'uint'],
  nvmlEventSetFree: ['void *'],
  // These two are never called: that one is there and the other is not gives a 535 driver away.
  nvmlDeviceGetConfComputeMemSizeInfo: ['void *', 'uint8_t *'],
  nvmlDeviceGetRunningProcessDetailList: ['void *', 'uint8_t *']
} as const
export type Name = keyof typeof SIGNATURES
const NAMES = Object.keys(SIGNATURES) as Name[]

/** Without these it is no NVML; the others are younger or older than some drivers. */
const MANDATORY: readonly Name[] = ['nvmlInit_v2', 'nvmlDeviceGetCount_v2', 'nvmlDeviceGetHandleByIndex_v2']

/** What there is to say of a driver whose library and kernel module no longer fit. */
export const UPDATED = 'The NVIDIA driver was updated while it was in use. Restart the computer.'

/** A loaded library that is an NVML. */
export interface Library {
  readonly calls: ReadonlyMap<Name, Call>
  /** The driver's words for a code. */
  readonly explain: (code: number) => string
}

/**
 * Loads the first library that can be loaded.
 *
 * @param paths  Files to try, best first; a bare name is looked up by the system's loader.
 * Errors:       `NvmlFailure` with `absent` when none is an NVML.
 */
export async function loadLibrary(paths: readonly string[]): Promise<Library> {
  // Loaded late: where koffi has no binary for this platform, that is one more reason to have no NVML, not a crash.
  const { default: koffi } = await import('koffi').catch((error: unknown) => {
    throw absent(`koffi cannot be loaded: ${String(error)}`)
  })
  const reasons: string[] = []
  for (const path of paths) {
    try {
      return bind(koffi.load(path))
    } catch (error) {
      reasons.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw absent(`No NVML: ${reasons.join('; ')}`)
}

/** Returns the code that a function gives; `functionNotFound` when this driver is too old or too new to have it. */
export function call(library: Library, name: Name, ...values: Value[]): number {
  return library.calls.get(name)?.(...values) ?? CODE.functionNotFound
}

/** Errors: `NvmlFailure` for every code but success: `absent` when no driver is there, `fault` when one ails. */
export function check(library: Library, code: number): void {
  const words = library.explain(code)
  switch (code) {
    case CODE.ok:
      return
    case CODE.driverNotLoaded:
    case CODE.libraryNotFound:
    case CODE.functionNotFound:
      throw absent(words)
    case CODE.versionMismatch:
      throw failed(UPDATED)
    default:
      throw failed(`The NVIDIA driver does not answer: ${words}.`)
  }
}

/** Returns the failure for a machine that has nothing to be read. */
export function absent(reason: string): NvmlFailure {
  return new NvmlFailure({ state: 'absent', reason })
}

function failed(fault: string): NvmlFailure {
  return new NvmlFailure({ state: 'fault', fault })
}

/** Finds each function; those that this driver lacks are left out. Errors: an `Error` when it is no NVML. */
function bind(library: LibraryHandle): Library {
  const calls = new Map<Name, Call>()
  for (const name of NAMES) {
    const found = optional(() => library.func(name, 'int', [...SIGNATURES[name]]) as Call)
    if (found !== undefined) calls.set(name, found)
  }
  const missing = MANDATORY.filter(name => !calls.has(name))
  if (missing.length > 0) throw new Error(`the library lacks ${missing.join(', ')}`)
  const words = optional(() => library.func('nvmlErrorString', 'str', ['int']) as (code: number) => string)
  return { calls, explain: code => `${words?.(code) ?? 'NVML error'} (${code})` }
}

/** Returns what `find` finds. koffi throws for a function that the library does not have. */
function optional<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}
