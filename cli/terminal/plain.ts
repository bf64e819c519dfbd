/**
 * Plain text: what strangers wrote, made safe for a terminal.
 *
 * Owns which characters never reach one. Names, messages and output come from peers and their programs; an escape
 * sequence in them could move the cursor, forge a line, or write into the owner's clipboard.
 * Invariant: the result holds no control character (but the line ends of `plainLines`) and nothing that turns the
 * reading direction.
 */

/** Escape sequences: those with parameters, then strings such as titles with their end, then any other. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CODES = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const STRINGS = /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const OTHERS = /\u001b[ -/]*[0-~]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const LINE_ENDS = /\r\n|[\r\n\u000b\u000c\u0085\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g
/** Direction marks and overrides, and characters that nobody sees. The joiner inside an emoji stays. */
const UNSEEN = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu
/** What stands for a tab. */
const TAB = '  '

/** Returns text as one line that a terminal shows and does not obey. */
export function plain(text: string): string {
  return plainLines(text).replace(/\n+/g, ' ').trim()
}

/** Returns text with its lines kept; a carriage return ends a line, so that nothing can hide what it drew over. */
export function plainLines(text: string): string {
  return text
    .replace(STRINGS, '')
    .replace(CODES, '')
    .replace(OTHERS, '')
    .replace(LINE_ENDS, '\n')
    .replace(/\t/g, TAB)
    .replace(CONTROLS, '')
    .replace(UNSEEN, '')
}

/** The only fields of views that may have several lines: what a program printed. */
const LINED_FIELDS: ReadonlySet<string> = new Set(['text', 'tail'])

/** Returns a view with every text in it made plain, keys included. Numbers and the shape stay. */
export function plainView<T>(view: T): T {
  return cleaned(view) as T
}

function cleaned(value: unknown, field = ''): unknown {
  if (typeof value === 'string') return LINED_FIELDS.has(field) ? plainLines(value) : plain(value)
  if (Array.isArray(value)) return value.map(item => cleaned(item))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [plain(key), cleaned(item, key)]))
}
