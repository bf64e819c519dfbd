/**
 * YAML with places: a document as fields that know where in the text they stand.
 *
 * Owns the YAML library: nothing else sees its nodes. Never expands an alias before somebody asks for it, so that a few
 * lines cannot stand for gigabytes.
 * Invariant: opening a text never throws, whatever the text.
 */
import {
  type Alias,
  CST,
  Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit
} from 'yaml'

/** Aliases in one file. Sweeps are short: this is far more than a person writes. */
const ALIASES_MAX = 50
/** Nested brackets, and columns of indentation. The parser calls itself per level and would exhaust the stack. */
const NESTING_MAX = 200

/** A place in a text; both count from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** One value of the document. */
export interface Field {
  /** The keys and positions that lead here; empty for the document itself. */
  readonly path: readonly string[]
  /** Where a problem is shown: a scalar at itself, a map or a list at the key that names it. */
  readonly place: Place
  readonly kind: 'map' | 'list' | 'scalar'
  /** A scalar's value; null for what holds nothing. */
  readonly value: unknown
  /** A scalar as written, without its quotes: `1.0` and `1` are one value and two tokens. */
  readonly token: string
  readonly isQuoted: boolean
  /** The entries of a map, in the file's order; none for what is no map. */
  entries(): readonly Entry[]
  /** The items of a list; none for what is no list. */
  items(): readonly Field[]
}

export interface Entry {
  readonly name: string
  readonly place: Place
  readonly field: Field
}

/** Something wrong with the text, at its place. */
export interface YamlProblem {
  readonly place: Place
  readonly message: string
}

export interface YamlFile {
  /** Absent when the text has no content, or is broken so that nothing in it can be relied on. */
  readonly root?: Field
  readonly problems: readonly YamlProblem[]
  readonly warnings: readonly YamlProblem[]
}

/**
 * Returns the document in a text, and what is wrong with it as YAML 1.2.
 *
 * A key that is written twice is a problem that leaves the rest readable; the first of the two is kept.
 */
export function openYaml(text: string): YamlFile {
  const lines = new LineCounter()
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const tooDeep = findTooDeep(text)
  if (tooDeep !== undefined) {
    return { problems: [{ place: tooDeep, message: 'this is nested too deeply' }], warnings: [] }
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    strict: true,
    // Checked below instead: the library compares every key with every other, and says less.
    uniqueKeys: false,
    prettyErrors: false
  })
  const problemAt = ({
    pos,
    code,
    message
  }: {
    pos: [number, number]
    code: string
    message: string
  }): YamlProblem => ({
    place: placeAt(pos[0]),
    message: MESSAGES[code] ?? inHouseStyle(message)
  })
  const warnings = document.warnings.map(problemAt)
  if (document.errors.length > 0) return { problems: document.errors.map(problemAt), warnings }

  const { targets, problems } = examine(document, placeAt)
  const { contents } = document
  if (contents === null || isEmpty(contents)) return { problems, warnings }
  return { root: fieldOf(contents, [], placeAt(contents.range[0]), { targets, placeAt }), problems, warnings }
}

/** Returns a value as a document that `openYaml` reads back; a list or a map of plain values stands on one line. */
export function writeYaml(value: unknown): string {
  const document = new Document(value, { version: '1.2', aliasDuplicateObjects: false })
  const isPlain = (items: readonly unknown[]) =>
    items.every(item => isScalar(item) || (isPair(item) && isScalar(item.value)))
  visit(document, {
    Collection: (_, node) => {
      if (isPlain(node.items)) node.flow = true
    }
  })
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}

/** What the library says in its own terms, said in ours. */
const MESSAGES: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document starts here; a sweep file holds one',
  TAB_AS_INDENT: 'a tab indents this line; YAML allows spaces only',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line and end with a colon',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key: value" on one line; put it on its own line, or in quotes if it is text'
}

function inHouseStyle(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\s+/g, ' ')
}

/** Returns where a text nests deeper than anybody means; the lexer, unlike the parser, does not call itself. */
function findTooDeep(text: string): Place | undefined {
  let brackets = 0
  let line = 1
  let column = 1
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token)
    if (type === 'flow-map-start' || type === 'flow-seq-start') brackets++
    if (type === 'flow-map-end' || type === 'flow-seq-end') brackets--
    const isIndicator = type === 'seq-item-ind' || type === 'explicit-key-ind'
    const indent = type === 'space' && column === 1 ? token.length : isIndicator ? column : 0
    if (brackets > NESTING_MAX || (brackets === 0 && indent > NESTING_MAX)) return { line, column }
    const breaks = token.split('\n')
    line += breaks.length - 1
    // Control tokens mark where a document or a scalar starts and stand for no character.
    if (breaks.length > 1) column = 1 + (breaks.at(-1)?.length ?? 0)
    else if (!CONTROL_TOKENS.has(token)) column += token.length
  }
  return undefined
}

const CONTROL_TOKENS: ReadonlySet<string> = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR])

type Targets = ReadonlyMap<Alias, Node>

/** Resolves the aliases, in the order of the text as YAML asks, and looks for keys that are written twice. */
function examine(document: Document.Parsed, placeAt: (offset: number) => Place) {
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  const problems: YamlProblem[] = []
  const report = (node: { range?: [number, number, number] | null }, message: string) =>
    problems.push({ place: placeAt(node.range?.[0] ?? 0), message })
  let aliases = 0

  visit(document, {
    Alias(_, alias) {
      aliases++
      const target = anchors.get(alias.source)
      if (aliases === ALIASES_MAX + 1) report(alias, `more than ${ALIASES_MAX} aliases; write the values out`)
      if (target === undefined) report(alias, `nothing before this line is named &${alias.source}`)
      else targets.set(alias, target)
    },
    Collection(_, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
      if (!isMap(node)) return
      const first = new Map<string, Node>()
      for (const { key } of node.items) {
        const earlier = first.get(keyName(key))
        if (!isScalar(key)) continue
        if (earlier === undefined) first.set(keyName(key), key)
        else
          report(key, `the key "${keyName(key)}" is here twice, first on line ${placeAt(earlier.range?.[0] ?? 0).line}`)
      }
    },
    Scalar(_, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
    }
  })
  return { targets, problems }
}

interface Sources {
  readonly targets: Targets
  readonly placeAt: (offset: number) => Place
}

function fieldOf(written: Node | null, path: readonly string[], keyPlace: Place, sources: Sources): Field {
  const node = isAlias(written) ? sources.targets.get(written) : (written ?? undefined)
  const kind = isMap(node) ? 'map' : isSeq(node) ? 'list' : 'scalar'
  const isNothing = node === undefined || isEmpty(node)
  const ownPlace = sources.placeAt(written?.range?.[0] ?? 0)
  const scalar = isScalar(node) ? node : undefined
  return {
    path,
    kind,
    place: kind === 'scalar' && !isNothing ? ownPlace : keyPlace,
    value: scalar?.value ?? null,
    token: scalar?.source ?? '',
    isQuoted: scalar?.type !== undefined && scalar.type !== 'PLAIN',
    entries: () => (isMap(node) ? entriesOf(node.items as readonly ParsedPair[], path, sources) : []),
    items: () => (isSeq(node) ? itemsOf(node.items as readonly (ParsedNode | null)[], path, sources) : [])
  }
}

interface ParsedPair {
  readonly key: ParsedNode | null
  readonly value: ParsedNode | null
}

function entriesOf(pairs: readonly ParsedPair[], path: readonly string[], sources: Sources): Entry[] {
  const entries = new Map<string, Entry>()
  for (const { key, value } of pairs) {
    const name = keyName(key)
    const place = sources.placeAt(key?.range[0] ?? value?.range[0] ?? 0)
    if (!entries.has(name)) entries.set(name, { name, place, field: fieldOf(value, [...path, name], place, sources) })
  }
  return [...entries.values()]
}

function itemsOf(nodes: readonly (ParsedNode | null)[], path: readonly string[], sources: Sources): Field[] {
  return nodes.map((node, i) => fieldOf(node, [...path, `${i}`], sources.placeAt(node?.range[0] ?? 0), sources))
}

/** A key is named as it is written: `1.0` is not `1`. What is no text gets a name that no key has. */
function keyName(key: unknown): string {
  return isScalar(key) ? (key.source ?? String(key.value)) : '(not a text)'
}

function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null && !node.source
}
