/**
 * Bundles: a sweep's folder as a list of content hashes.
 *
 * Owns the manifest's shape and what a path in it may look like. A bundle is named by its manifest's digest, so whoever
 * approved a digest approved every byte that will run. Paths come from peers: what could leave the workspace, or
 * mean another file on another system, is refused here, once.
 * Source: docs/protocol.md, rules B1 to B4.
 */
import { z } from 'zod'
import { canonicalJson, digestOf } from './hash.js'
import { LIMITS } from './limits.js'
import { keyHex } from './records/record.js'

const fileSchema = z.object({
  path: z.string(),
  executable: z.boolean(),
  bytes: z.number().int().min(0).max(LIMITS.bundleBytes),
  digest: keyHex
})
const manifestSchema = z.array(fileSchema).min(1).max(LIMITS.bundleFiles)

export type BundleFile = Readonly<z.infer<typeof fileSchema>>
/** The files of a bundle, sorted by path. */
export type Manifest = readonly BundleFile[]

/** The sweep files of a folder by their names, and the command of the sweep that one of them describes. */
export interface SweepFiles {
  readonly names: readonly string[]
  readonly command: readonly string[]
}

/** Names that Windows gives to devices, with or without an extension; it reads over spaces before that. */
const DEVICE_NAMES = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\.|$)/i
/** Control characters, and characters that turn the reading direction: a path must be what it looks like. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/
const NOT_PORTABLE = /[\\:*?"<>|]/

/**
 * Says what is wrong with a path inside a bundle (rule B2).
 *
 * @param path  Relative, with forward slashes.
 * @returns     The problem as the end of a sentence; nothing when the path is fine on every system.
 */
export function pathProblem(path: string): string | undefined {
  if (new TextEncoder().encode(path).length > LIMITS.pathBytes) return `is longer than ${LIMITS.pathBytes} bytes`
  if (path !== path.normalize('NFC')) return 'is not in Unicode form NFC'
  if (HIDDEN.test(path)) return 'holds a control character'
  if (NOT_PORTABLE.test(path)) return 'holds one of \\ : * ? " < > |'
  for (const part of path.split('/')) {
    if (part === '') return 'has an empty part'
    if (part === '.' || part === '..') return `has the part "${part}"`
    if (new TextEncoder().encode(part).length > LIMITS.pathPartBytes)
      return `has a part longer than ${LIMITS.pathPartBytes} bytes`
    if (/[. ]$/.test(part)) return 'has a part that ends in a dot or a space'
    if (DEVICE_NAMES.test(part)) return `has the part "${part}", which Windows takes for a device`
  }
  return undefined
}

/**
 * Says what is wrong with a list of files as a bundle: paths, clashes, size (rules B2 and B3).
 *
 * @returns  One sentence for each problem; none when the bundle is fine.
 */
export function bundleProblems(files: Manifest): string[] {
  const problems = files.flatMap(file => {
    const problem = pathProblem(file.path)
    return problem ? [`The path ${JSON.stringify(file.path)} ${problem}.`] : []
  })
  const byFold = new Map<string, string>()
  for (const { path } of files) {
    const fold = path.toLowerCase()
    const other = byFold.get(fold)
    if (other !== undefined)
      problems.push(
        `The paths ${JSON.stringify(other)} and ${JSON.stringify(path)} differ in upper and lower case only.`
      )
    byFold.set(fold, path)
  }
  for (const fold of byFold.keys()) {
    for (let cut = fold.lastIndexOf('/'); cut > 0; cut = fold.lastIndexOf('/', cut - 1)) {
      if (byFold.has(fold.slice(0, cut)))
        problems.push(`The path ${JSON.stringify(byFold.get(fold.slice(0, cut)))} is a file and a folder.`)
    }
  }
  if (files.length > LIMITS.bundleFiles)
    problems.push(`It has ${files.length} files; ${LIMITS.bundleFiles} is the limit.`)
  const bytes = bytesIn(files)
  if (bytes > LIMITS.bundleBytes)
    problems.push(`It has ${(bytes / 2 ** 20).toFixed(1)} MiB; ${LIMITS.bundleBytes / 2 ** 20} MiB is the limit.`)
  return problems
}

/** Returns the bytes of all files, each counted where it stands. */
export function bytesIn(files: Manifest): number {
  return files.reduce((sum, file) => sum + file.bytes, 0)
}

/** Returns the manifest's text: sorted by path, canonical, the same on every machine. */
export function encodeManifest(files: Manifest): string {
  return canonicalJson([...files].sort((a, b) => (a.path < b.path ? -1 : 1)))
}

/**
 * Reads a manifest that came from a peer. Never throws.
 *
 * @returns  Its files, or what is wrong with it.
 */
export function decodeManifest(text: string, digest: string): { files: Manifest } | { problem: string } {
  if (digestOf(text) !== digest) return { problem: 'The manifest does not have the digest that was approved.' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { problem: 'The manifest is no JSON.' }
  }
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) return { problem: 'The manifest does not have its shape.' }
  const [problem] = bundleProblems(parsed.data)
  return problem ? { problem } : { files: parsed.data }
}
