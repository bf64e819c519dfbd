/**
 * Sweep files: from the text of a `sweep.yaml` to a checked sweep.
 *
 * Owns what the whole file must satisfy once its keys are read. Reads no disk.
 * Invariant: the same text and file name give the same sweep, and so the same trials.
 */
import { formatBytes, invariant, LIMITS, PoolError, recordedSpecSchema, type SweepSpec } from '#protocol'
import { type Draft, readDraft } from './sweep-draft.js'
import { shown } from './sweep-fields.js'
import { createIssues, type Issues, inFileOrder, invalidFile, type Subject, type SweepIssue } from './sweep-issues.js'
import { warnOfNothing } from './sweep-rules.js'
import { type Field, openYaml, type YamlFile } from './yaml-places.js'

/** What a key of the file is called in the sweep; the others have one name. */
const FILE_NAMES: Readonly<Record<string, string>> = {
  runCap: 'run_cap',
  onDuplicate: 'on_duplicate',
  leaseMs: 'lease',
  timeLimitMs: 'time_limit',
  wallTimeMs: 'wall_time',
  stopping: 'early_terminate'
}

export interface ReadSweep {
  readonly spec: SweepSpec
  /** What the file asks for and does not get, in the order of the file. */
  readonly warnings: readonly SweepIssue[]
  /** The text that was read, with line ends as LF: places of warnings are places in it. */
  readonly source: string
}

/** A file's text with everything that is wrong with it; without errors there is a sweep. */
export interface ExaminedSweep {
  readonly spec: SweepSpec | undefined
  readonly errors: readonly SweepIssue[]
  readonly warnings: readonly SweepIssue[]
  readonly source: string
}

/**
 * Returns the sweep in a file's text.
 *
 * @param text      YAML 1.2. Line ends and a byte order mark do not matter.
 * @param fileName  Stands in messages; its folder names a sweep that has no name.
 * Errors:          `SWEEP_INVALID`, whose message lists every problem with its place.
 */
export function readSweepText(text: string, fileName: string): ReadSweep {
  const { spec, errors, warnings, source } = examineSweepText(text, fileName)
  if (spec === undefined) throw invalidFile(errors, fileName, source)
  return { spec, warnings, source }
}

/** Returns the same, or the problems as data. Errors: `SWEEP_INVALID` for what is too large to be a sweep file. */
export function examineSweepText(text: string, fileName: string): ExaminedSweep {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > LIMITS.sweepFileBytes) {
    const limit = formatBytes(LIMITS.sweepFileBytes)
    throw new PoolError(
      'SWEEP_INVALID',
      `${fileName}: a sweep file has at most ${limit}, this one has ${formatBytes(bytes)}.`,
      {
        hint: 'Is it the file that you meant?'
      }
    )
  }
  // An editor's or git's line ends must not change the seed that the text gives.
  const source = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const issues = createIssues()
  const spec = readSpec(openYaml(source), { source, fileName }, issues)
  const [errors, warnings] = [inFileOrder(issues.errors), inFileOrder(issues.warnings)]
  return { spec: errors.length > 0 ? undefined : spec, errors, warnings, source }
}

function readSpec(yaml: YamlFile, origin: { source: string; fileName: string }, issues: Issues): SweepSpec | undefined {
  for (const { place, message } of yaml.problems) issues.error({ path: [], place }, `${message}.`)
  for (const { place, message } of yaml.warnings) issues.warn({ path: [], place }, `${message}.`)
  const { root } = yaml
  if (root?.kind === 'map') return checked(readDraft(root, origin, issues), root, issues)
  if (root !== undefined) issues.error(root, `expected a map of keys such as "method", got ${shown(root)}.`)
  else if (yaml.problems.length === 0) issues.error(TOP, 'the file holds nothing.')
  return undefined
}

const TOP: Subject = { path: [], place: { line: 1, column: 1 } }

/** Returns the sweep when its schema, the one that peers apply to a record, takes it; else reports what it refuses. */
function checked(draft: Draft, root: Field, issues: Issues): SweepSpec | undefined {
  const result = recordedSpecSchema.safeParse(draft)
  if (result.success) {
    if (issues.errors.length === 0) warnOfNothing(result.data, subjectAt(root, ['constraints']), issues)
    return result.data
  }
  for (const { path, message } of result.error.issues) {
    // A key that is absent was reported when it was read.
    if (path.length === 0 || Object.hasOwn(draft, String(path[0])))
      issues.error(subjectAt(root, path.map(String)), `${message}.`)
  }
  invariant(issues.errors.length > 0, 'a sweep that the schema refuses has a reported problem')
  return undefined
}

/** Returns the deepest field on the way to a path of the schema, for its place. */
function subjectAt(root: Field, path: readonly string[]): Subject {
  const names = path.map((name, i) => (i === 0 ? (FILE_NAMES[name] ?? name) : name))
  let field = root
  for (const name of names) {
    const next =
      field.kind === 'list' ? field.items()[Number(name)] : field.entries().find(each => each.name === name)?.field
    if (next === undefined) break
    field = next
  }
  return { path: names, place: field.place }
}
