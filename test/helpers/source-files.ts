/**
 * Source files: the repository's own files, parsed once, for the tests that read them.
 *
 * Owns which files count and how their syntax is walked. Never changes one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const IGNORED = ['node_modules', 'dist', '.tap', 'fixtures', 'golden']

export interface SourceFile {
  /** From the repository's folder, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** Returns the files below some folders whose names end as told, sorted by path. Missing folders have none. */
export function filesIn(folders: readonly string[], endings: readonly string[]): SourceFile[] {
  const paths = folders.flatMap(folder => pathsIn(folder)).sort()
  return paths
    .filter(path => endings.some(ending => path.endsWith(ending)))
    .map(path => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** Returns one file; nothing when it is not there. */
export function fileAt(path: string): SourceFile | undefined {
  try {
    return { path, text: readFileSync(join(ROOT, path), 'utf8') }
  } catch {
    return undefined
  }
}

function pathsIn(folder: string): string[] {
  try {
    return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap(item => {
      const path = `${folder}/${item.name}`
      if (IGNORED.includes(item.name)) return []
      return item.isDirectory() ? pathsIn(path) : item.isFile() ? [path] : []
    })
  } catch {
    return []
  }
}

/** Returns a file's syntax tree, with parents. */
export function parse({ path, text }: SourceFile): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

/** Calls `visit` for every node of a tree, outer ones first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  node.forEachChild(child => walk(child, visit))
}

/** Returns the line of a node, counted from 1. */
export function lineOf(node: ts.Node): number {
  return node.getSourceFile().getLineAndCharacterOfPosition(node.getStart()).line + 1
}
