/**
 * The configuration: a trial's parameters as its program gets them.
 *
 * Owns what is told to a program and to nobody else: maps inside maps, and lists that a sweep holds as JSON.
 */
import type { Json } from './hash.js'
import type { Parameters, ParameterValue, SweepSpec } from './sweep-spec.js'

export type Configuration = Readonly<Record<string, Json>>

/** Returns the parameters by their full names, each as the value that the program gets. */
export function valuesOf({ parameters: ranges }: Pick<SweepSpec, 'parameters'>, parameters: Parameters): Configuration {
  const entries = Object.entries(parameters).map(([name, value]) => {
    const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined
    const isJson = range !== undefined && 'encoding' in range && range.encoding === 'json'
    return [name, isJson ? decoded(value) : value] as const
  })
  return Object.fromEntries(entries)
}

/** Returns the same with maps where the sweep's file has nested parameters. */
export function configurationOf(spec: Pick<SweepSpec, 'parameters' | 'nested'>, parameters: Parameters): Configuration {
  const groups = [...(spec.nested ?? [])].sort((a, b) => a.length - b.length)
  return grouped(Object.entries(valuesOf(spec, parameters)), '', groups)
}

function grouped(
  entries: readonly (readonly [string, Json])[],
  prefix: string,
  groups: readonly string[]
): Configuration {
  const inside = new Map<string, (readonly [string, Json])[]>()
  const fields: [string, Json][] = []
  for (const entry of entries) {
    // The outermost map below this one.
    const group = groups.find(each => each.length > prefix.length && entry[0].startsWith(`${each}.`))
    if (group === undefined) fields.push([entry[0].slice(prefix.length), entry[1]])
    else inside.set(group, [...(inside.get(group) ?? []), entry])
  }
  for (const [group, inner] of inside) {
    const deeper = groups.filter(each => each.startsWith(`${group}.`))
    fields.push([group.slice(prefix.length), grouped(inner, `${group}.`, deeper)])
  }
  // Whatever a name is, it becomes a field and nothing else.
  return Object.fromEntries(fields)
}

/** A record's schema refuses a text that is no JSON; what a claim says instead, is passed on as it is. */
function decoded(value: ParameterValue): Json {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value) as Json
  } catch {
    return value
  }
}
