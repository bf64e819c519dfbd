/**
 * House style: the rules of docs/style.md that a linter does not know, each as a function of one file.
 *
 * Owns no file and reads none. Each rule returns what is wrong as sentences with their place; each ban says what to use
 * instead. test/tidy.test.ts applies them, and shows of each that it can fail.
 */
import ts from 'typescript'
import { lineOf, parse, type SourceFile, walk } from './source-files.js'

export const FILE_LINES_MAX = 400
export const FUNCTION_LINES_MAX = 60
export const LINE_CHARS_MAX = 120

/** What pure code must not touch, and what to use instead. `Math.…` names a property, the others are names alone. */
export const BANS: Readonly<Record<string, string>> = {
  Date: "take the time as an argument such as `nowMs`, or the record's `at` for display",
  performance: 'take the time as an argument such as `nowMs`',
  process: 'take what it tells as an argument; agent/config.ts reads the environment',
  console: 'return what there is to say; the agent has `ports.note`',
  setTimeout: 'note when something is due and decide at a tick',
  setInterval: 'note when something is due and decide at a tick',
  setImmediate: 'return a plan; adapters act',
  queueMicrotask: 'return a plan; adapters act',
  fetch: 'add what it needs to a port',
  crypto: 'use `digestOf`, `idOf` or `drawFrom`',
  Intl: 'order by code unit with `<`: a locale differs from machine to machine',
  localeCompare: 'order by code unit with `<`: a locale differs from machine to machine',
  await: 'return at once; what a port starts comes back as an `on…` call',
  async: 'return at once; what a port starts comes back as an `on…` call',
  'Math.random': 'use `drawFrom`: the same parts give the same number on every machine'
}

/** Engines may differ in the last bit of these (ECMAScript: implementation-approximated). */
const APPROXIMATE = ['log', 'log2', 'log10', 'log1p', 'exp', 'expm1', 'pow', 'sin', 'cos', 'tan', 'cbrt', 'hypot']
const APPROXIMATE_INSTEAD = 'use + - x / sqrt, integers and comparisons, or record what was computed (rule F5)'
/** A header with this sentence says that its results are recorded, so that no machine must compute them again. */
const IS_RECORDED = /recorded by the claimer, never recomputed/

/** Words that the glossary has another word for, as parts of exported names and in help texts. */
export const WORDS: Readonly<Record<string, string>> = {
  cluster: 'pool',
  swarm: 'pool',
  worker: 'machine',
  host: 'machine',
  user: 'member, or owner of a machine',
  study: 'sweep',
  experiment: 'sweep',
  job: 'sweep, trial or attempt',
  outcome: 'result'
}

/** Says what pure code of a file must not do: time, chance, waiting, and numbers that engines disagree on. */
export function impurities(file: SourceFile): string[] {
  const mayApproximate = file.path.startsWith('protocol/search/') && IS_RECORDED.test(headerOf(file) ?? '')
  const found: string[] = []
  const say = (node: ts.Node, what: string, instead: string | undefined) =>
    found.push(`${file.path}:${lineOf(node)} uses ${what}: ${instead}.`)
  walk(parse(file), node => {
    if (ts.isAwaitExpression(node)) say(node, 'await', BANS['await'])
    if (node.kind === ts.SyntaxKind.AsyncKeyword) say(node, 'async', BANS['async'])
    if (!ts.isIdentifier(node)) return
    const { text, parent } = node
    const ofMath =
      ts.isPropertyAccessExpression(parent) && parent.name === node && parent.expression.getText() === 'Math'
    if (ofMath && text === 'random') say(node, 'Math.random', BANS['Math.random'])
    if (ofMath && APPROXIMATE.includes(text) && !mayApproximate) say(node, `Math.${text}`, APPROXIMATE_INSTEAD)
    if (text === 'localeCompare' || (Object.hasOwn(BANS, text) && isValue(node))) say(node, text, BANS[text])
  })
  return found
}

/** True where a name stands for a global: not for a field, a type or a key. */
function isValue({ parent, text }: ts.Identifier): boolean {
  if (ts.isPropertyAccessExpression(parent)) return parent.expression.getText() === text
  const isName = ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent)
  return !isName && !ts.isTypeNode(parent)
}

/** Says what is too long: the file, a line, or a function without the functions inside it. */
export function oversizes(file: SourceFile): string[] {
  const lines = file.text.replace(/\n$/, '').split('\n')
  const tree = parse(file)
  const unbreakable = linesOfLongLiterals(tree)
  const found = lines.flatMap((line, n) =>
    line.length > LINE_CHARS_MAX && !unbreakable.has(n + 1)
      ? [`${file.path}:${n + 1} has ${line.length} characters: break the line.`]
      : []
  )
  if (lines.length > FILE_LINES_MAX) found.push(`${file.path} has ${lines.length} lines: split it by what it owns.`)
  walk(tree, node => {
    if (!isFunction(node) || ownLines(node) <= FUNCTION_LINES_MAX) return
    found.push(`${file.path}:${lineOf(node)} is a function of ${ownLines(node)} lines: split it.`)
  })
  return found
}

/** A message or a pattern cannot be broken, and no formatter tries: where one crosses the limit, so may its line. */
function linesOfLongLiterals(tree: ts.SourceFile): Set<number> {
  const found = new Set<number>()
  walk(tree, node => {
    const isLiteral =
      ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || ts.isRegularExpressionLiteral(node)
    if (!isLiteral) return
    const start = tree.getLineAndCharacterOfPosition(node.getStart())
    const end = tree.getLineAndCharacterOfPosition(node.getEnd())
    if (start.character < LINE_CHARS_MAX && end.character > LINE_CHARS_MAX) found.add(end.line + 1)
    for (let line = start.line; line < end.line; line++) found.add(line + 1)
  })
  return found
}

function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
}

/** A function that holds others, such as an object's maker, is as long as what it does itself. */
function ownLines(node: ts.Node): number {
  let nested = 0
  node.forEachChild(function count(child): void {
    if (isFunction(child) && linesOf(child) > 1) nested += linesOf(child)
    else child.forEachChild(count)
  })
  return linesOf(node) - nested
}

function linesOf(node: ts.Node): number {
  const end = node.getSourceFile().getLineAndCharacterOfPosition(node.getEnd()).line + 1
  return end - lineOf(node) + 1
}

/** Returns a file's header without its stars; nothing when it does not begin with one. */
export function headerOf({ text }: SourceFile): string | undefined {
  const match = /^(?:#!.*\n)?\/\*\*\n?([\s\S]*?)\*\//.exec(text)
  return match?.[1]?.replace(/^ *\* ?/gm, '').trim()
}

/** Says that a module does not begin with a sentence on what it owns. */
export function missingHeader(file: SourceFile): string[] {
  if (/\w.*\./.test(headerOf(file) ?? '')) return []
  return [`${file.path} has no header: begin with /** and what it owns, what it never does, what always holds.`]
}

/** Says which exported functions of a file have no comment. `names`: look at these alone. */
export function undocumented(file: SourceFile, names?: ReadonlySet<string>): string[] {
  return exportsOf(file).flatMap(({ name, statement, isFunction }) => {
    if (!isFunction || (names && !names.has(name)) || ts.getJSDocCommentsAndTags(statement).length > 0) return []
    return [`${file.path}:${lineOf(statement)} exports ${name} without a comment: say what it returns, units, errors.`]
  })
}

/** Says which exported names of a file have a word of which the glossary knows another. */
export function wrongNames(file: SourceFile): string[] {
  return exportsOf(file).flatMap(({ name, statement }) =>
    wordsOf(name).flatMap(word => {
      if (word === 'swarm' && file.path.startsWith('agent/mesh/')) return []
      return isWrong(word) ? [`${file.path}:${lineOf(statement)} exports ${name}: ${wordInstead(word)}.`] : []
    })
  )
}

/** Says which texts for people have a word of which the glossary knows another: every text that holds a space. */
export function wrongTexts(file: SourceFile): string[] {
  const found: string[] = []
  walk(parse(file), node => {
    if (!ts.isStringLiteralLike(node) && !ts.isTemplateHead(node) && !ts.isTemplateMiddleOrTemplateTail(node)) return
    if (!node.text.includes(' ')) return
    // `host:port` is how everybody writes an address, and a study of Optuna is called nothing else.
    for (const word of node.text
      .toLowerCase()
      .replaceAll('host:port', '')
      .replaceAll(/--study|copy_study|optuna's stud(?:y|ies)/g, '')
      .match(/[a-z]+/g) ?? [])
      if (isWrong(word)) found.push(`${file.path}:${lineOf(node)} says "${word}": ${wordInstead(word)}.`)
  })
  return found
}

function isWrong(word: string): boolean {
  return Object.hasOwn(WORDS, singular(word))
}

function wordInstead(word: string): string {
  return `the glossary says ${WORDS[singular(word)]}`
}

function singular(word: string): string {
  return word.replace(/ies$/, 'y').replace(/s$/, '')
}

/** Splits a name into its words, in lower case: `rankedTrials`, `RECORD_KINDS`. */
export function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[ _]+/)
    .map(word => word.toLowerCase())
}

interface Export {
  readonly name: string
  readonly statement: ts.Statement
  readonly isFunction: boolean
}

function exportsOf(file: SourceFile): Export[] {
  return parse(file).statements.flatMap((statement): Export[] => {
    if (!ts.canHaveModifiers(statement)) return []
    if (!ts.getModifiers(statement)?.some(each => each.kind === ts.SyntaxKind.ExportKeyword)) return []
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name, initializer }) => {
        return { name: name.getText(), statement, isFunction: initializer !== undefined && isFunction(initializer) }
      })
    }
    const name = (statement as { name?: ts.Identifier }).name?.text
    return name === undefined ? [] : [{ name, statement, isFunction: ts.isFunctionDeclaration(statement) }]
  })
}

/** Returns the modules that a face exports, with the names that it takes of each; all of them without a list. */
export function exportedModules(face: SourceFile): { path: string; names?: ReadonlySet<string> }[] {
  const folder = face.path.slice(0, face.path.lastIndexOf('/'))
  return parse(face).statements.flatMap(statement => {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier) return []
    const specifier = (statement.moduleSpecifier as ts.StringLiteral).text
    const path = new URL(specifier.replace(/\.js$/, '.ts'), `file:///${folder}/`).pathname.slice(1)
    const clause = statement.exportClause
    if (!clause || !ts.isNamedExports(clause)) return [{ path }]
    return [{ path, names: new Set(clause.elements.map(({ name, propertyName }) => (propertyName ?? name).text)) }]
  })
}

/** Says where a file leaves work for later: that belongs into an issue or a decision, not into the code. */
export function leftovers(file: SourceFile): string[] {
  const marks = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK']
  return linesWith(file, new RegExp(`\\b(${marks.join('|')})\\b`), 'leaves work for later: do it, or open an issue')
}

/** Says where a file names a place of this very machine. `folders`: absolute, ending in a slash. */
export function machinePaths(file: SourceFile, folders: readonly string[]): string[] {
  const escaped = folders.map(folder => folder.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  // After a letter or a brace the slash only goes on with a relative path.
  return linesWith(
    file,
    new RegExp(`(?<![\\w.}>)*-])(${escaped.join('|')})`),
    'names a folder of this machine: use a relative path'
  )
}

function linesWith({ path, text }: SourceFile, pattern: RegExp, problem: string): string[] {
  return text.split('\n').flatMap((line, n) => (pattern.test(line) ? [`${path}:${n + 1} ${problem}.`] : []))
}

/** Says which of some names a page does not mention in backquotes. */
export function unmentioned(page: SourceFile, names: readonly string[]): string[] {
  return names
    .filter(name => !page.text.includes(`\`${name}\``))
    .map(name => `${page.path} does not describe \`${name}\`: add a section or a row for it.`)
}
