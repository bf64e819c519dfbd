/**
 * Sweep files, written: from a checked sweep to the text of a `sweep.yaml`.
 *
 * Owns the way back from what a sweep is to what a file says. Knows nothing that the file's readers do not know.
 * Invariant: reading what was written gives the same sweep, but for its seed, which comes from the text.
 */

import type { Json, Parameter, Parameters, Requires, Stopping, SweepSpec } from '#protocol'
import { configurationOf, valuesOf } from '#protocol'
import { DEFAULT_COMMAND } from './sweep-command.js'
import { writeYaml } from './yaml-places.js'

/** What a key of a stopping rule or a requirement is called in a file, where it is not its name in small letters. */
const FILE_KEYS: Readonly<Record<string, string>> = { rule: 'type', vendors: 'vendor' }
const HOUR_S = 3600

type Fields = Readonly<Record<string, Json | undefined>>

/**
 * Returns the text of a sweep file.
 *
 * @param comment  Lines that stand before it, without the mark of a comment.
 */
export function writeSweepText(spec: SweepSpec, comment: readonly string[] = []): string {
  const head = comment.map(line => `# ${line}`.trimEnd()).join('\n')
  return `${head === '' ? '' : `${head}\n`}${writeYaml(sweepKeysOf(spec))}`
}

/** Returns the keys of a sweep file and what stands under them. */
export function sweepKeysOf(spec: SweepSpec): Record<string, Json> {
  const { metric, furtherMetrics, parameters, leaseMs, timeLimitMs, wallTimeMs, budget, constraints, trials } = spec
  const isDefault = spec.command.join('\0') === DEFAULT_COMMAND.join('\0') && spec.program !== undefined
  return defined({
    name: spec.name,
    description: spec.description,
    program: spec.program,
    command: isDefault ? undefined : [...spec.command],
    method: spec.method,
    ...(furtherMetrics ? { metrics: [defined({ ...metric }), ...furtherMetrics] } : { metric: defined({ ...metric }) }),
    run_cap: spec.runCap,
    gpu_hours: budget?.gpuSeconds === undefined ? undefined : budget.gpuSeconds / HOUR_S,
    wall_time: wallTimeMs === undefined ? undefined : durationOf(wallTimeMs),
    seeds: spec.seeds,
    on_duplicate: spec.onDuplicate,
    lease: durationOf(leaseMs),
    time_limit: timeLimitMs === undefined ? undefined : durationOf(timeLimitMs),
    backups: spec.backups,
    early_terminate: spec.stopping && writtenStopping(spec.stopping),
    constraints: constraints && [...constraints],
    requires: spec.requires && writtenRequires(spec.requires),
    parameters: nestedIn(
      spec,
      mapped(parameters, (name, each) => writtenParameter(spec, name, each))
    ),
    trials: trials?.map(trial => writtenTrial(spec, trial))
  })
}

/** In full, where what people read is cut to two units. */
function durationOf(ms: number): string {
  const whole = Math.round(ms)
  return whole % 1000 === 0 ? `${whole / 1000}s` : `${whole}ms`
}

/** A trial is named by full names, whatever is nested; constants come by themselves. */
function writtenTrial(spec: SweepSpec, trial: Parameters): Json {
  const varied = Object.entries(trial).filter(([name]) => spec.parameters[name]?.distribution !== 'constant')
  return { ...valuesOf(spec, Object.fromEntries(varied)) }
}

function writtenParameter(spec: SweepSpec, name: string, parameter: Parameter): Json {
  const { when, ...range } = parameter
  const { encoding: _, ...fields } = { encoding: undefined, ...range }
  const decoded = (value: Parameters[string]) => valuesOf(spec, { [name]: value })[name]
  return defined({
    ...fields,
    ...('value' in range ? { value: decoded(range.value) } : {}),
    ...('values' in range ? { values: range.values.map(value => decoded(value) ?? null) } : {}),
    when: when && { [when.parameter]: [...when.values] }
  })
}

/** Maps inside maps, each under a key `parameters` of its own, as a file writes what is nested. */
function nestedIn(spec: Pick<SweepSpec, 'nested'>, parameters: Readonly<Record<string, Json>>): Json {
  const { nested = [] } = spec
  return withParametersKey(configurationOf({ parameters: {}, nested }, parameters as Parameters), nested)
}

function withParametersKey(map: Readonly<Record<string, Json>>, nested: readonly string[], prefix = ''): Json {
  return mapped(map, (name, value) => {
    const isGroup = nested.includes(`${prefix}${name}`)
    if (!isGroup || typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return { parameters: withParametersKey(value as Readonly<Record<string, Json>>, nested, `${prefix}${name}.`) }
  })
}

/** Bands are written as W&B does: the last one times `eta`, and how many they are. */
function writtenStopping(stopping: Stopping): Json {
  if (stopping.rule !== 'hyperband' || !stopping.bands) return renamed(stopping)
  const { bands, ...rest } = stopping
  return { ...renamed(rest), max_iter: Math.ceil((bands.at(-1) ?? 1) * stopping.eta), s: bands.length }
}

function writtenRequires({ memoryBytes, diskBytes, memoryEffects, model, ...rest }: Requires): Json {
  return defined({
    memory: memoryBytes === undefined ? undefined : `${memoryBytes}B`,
    disk: diskBytes === undefined ? undefined : `${diskBytes}B`,
    ...renamed(rest),
    memory_effects: memoryEffects,
    model: model && renamed(model)
  })
}

/** The same with the keys of a file: `minSteps` is `min_steps`. */
function renamed(fields: object): Record<string, Json> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    entries.map(([key, value]) => [
      FILE_KEYS[key] ?? key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value
    ])
  )
}

function mapped<Value>(
  map: Readonly<Record<string, Value>>,
  written: (name: string, value: Value) => Json
): Record<string, Json> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, written(name, value)]))
}

function defined(fields: Fields): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))
  )
}
