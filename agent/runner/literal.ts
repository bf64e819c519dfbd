/**
 * Literals: one line that is a dictionary, as JSON or as Python prints it, read into values.
 *
 * Owns the grammar: JSON, also with Python's bare NaN and Infinity, and `repr` of a dict of plain values.
 * Never runs anything; never throws. Time is linear in the text: the text is a stranger's.
 */

export type Literal = null | boolean | number | string | readonly Literal[] | ReadonlyMap<string, Literal>

/** Dictionaries and lists inside one another; a log line needs three. */
const DEPTH_MAX = 16

const WORDS: ReadonlyMap<string, Literal> = new Map<string, Literal>([
  ['null', null],
  ['none', null],
  ['true', true],
  ['false', false],
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['infinity', Number.POSITIVE_INFINITY]
])

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['f', '\f']
])

interface Cursor {
  readonly text: string
  at: number
}

/** Returns the entries of a line that is one dictionary and nothing else; undefined for any other line. */
export function readDictionary(line: string): ReadonlyMap<string, Literal> | undefined {
  const text = line.trim()
  if (!text.startsWith('{') || !text.endsWith('}')) return undefined
  const cursor = { text, at: 0 }
  try {
    const entries = readEntries(cursor, 1)
    return cursor.at === text.length ? entries : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function readEntries(cursor: Cursor, depth: number): ReadonlyMap<string, Literal> {
  const entries = new Map<string, Literal>()
  expect(cursor, '{')
  while (!accept(cursor, '}')) {
    const key = readValue(cursor, depth)
    expect(cursor, ':')
    entries.set(typeof key === 'string' ? key : String(key), readValue(cursor, depth))
    if (accept(cursor, ',')) continue
    expect(cursor, '}')
    break
  }
  return entries
}

function readList(cursor: Cursor, close: string, depth: number): Literal[] {
  const items: Literal[] = []
  cursor.at++
  while (!accept(cursor, close)) {
    items.push(readValue(cursor, depth))
    if (accept(cursor, ',')) continue
    expect(cursor, close)
    break
  }
  return items
}

function readValue(cursor: Cursor, depth: number): Literal {
  if (depth > DEPTH_MAX) fail()
  skipSpace(cursor)
  switch (cursor.text[cursor.at]) {
    case '{':
      return readEntries(cursor, depth + 1)
    case '[':
      return readList(cursor, ']', depth + 1)
    case '(':
      return readList(cursor, ')', depth + 1)
    case '"':
    case "'":
      return readString(cursor)
    default:
      return readPlain(cursor, depth)
  }
}

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y
const WORD = /([-+]?)([A-Za-z_][\w.]*)/y
const SCALAR_TYPE = /^(?:np|numpy)\.(?:float|int|uint|bool)\d*_?$/

function readPlain(cursor: Cursor, depth: number): Literal {
  const number = match(cursor, NUMBER)
  if (number !== undefined) return Number(number[0])
  const word = match(cursor, WORD)
  const name = word?.[2] ?? ''
  if (SCALAR_TYPE.test(name)) return readScalar(cursor, depth)
  const value = WORDS.get(name.toLowerCase())
  if (value === undefined || (word?.[1] !== '' && typeof value !== 'number')) return fail()
  return word?.[1] === '-' && typeof value === 'number' ? -value : value
}

/** NumPy 2 prints its numbers as `np.float64(0.5)`. */
function readScalar(cursor: Cursor, depth: number): Literal {
  expect(cursor, '(')
  const value = readValue(cursor, depth + 1)
  expect(cursor, ')')
  return value
}

function readString(cursor: Cursor): string {
  const { text } = cursor
  const quote = text[cursor.at]
  let value = ''
  for (let at = cursor.at + 1; at < text.length; at++) {
    const character = text[at]
    if (character === quote) {
      cursor.at = at + 1
      return value
    }
    if (character !== '\\') {
      value += character
      continue
    }
    const [decoded, length] = readEscape(text, at + 1)
    value += decoded
    at += length
  }
  return fail()
}

/** Returns what the escape after a backslash stands for, and its length. An unknown one stands for itself. */
function readEscape(text: string, at: number): [string, number] {
  const letter = text[at] ?? ''
  const digits = letter === 'u' ? 4 : letter === 'x' ? 2 : 0
  const hex = text.slice(at + 1, at + 1 + digits)
  if (digits > 0 && hex.length === digits && /^[0-9a-fA-F]+$/.test(hex)) {
    return [String.fromCharCode(Number.parseInt(hex, 16)), 1 + digits]
  }
  return [ESCAPES.get(letter) ?? letter, 1]
}

function match(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)
  if (found === null) return undefined
  cursor.at = pattern.lastIndex
  return found
}

function accept(cursor: Cursor, character: string): boolean {
  skipSpace(cursor)
  if (cursor.text[cursor.at] !== character) return false
  cursor.at++
  return true
}

function expect(cursor: Cursor, character: string): void {
  if (!accept(cursor, character)) fail()
}

function skipSpace(cursor: Cursor): void {
  while (cursor.text[cursor.at] === ' ' || cursor.text[cursor.at] === '\t') cursor.at++
}

/** Leaves the whole reading; caught in `readDictionary` and seen nowhere else. */
function fail(): never {
  throw new SyntaxError('not a dictionary')
}
