/**
 * The nearest known word: what a person most likely meant.
 *
 * Owns how far a misspelling may be from what it stands for. A wrong guess is worse than none.
 */
import { distance } from 'fastest-levenshtein'

/** Longer words are no misspellings, and comparing them would take time that grows with their square. */
const WORD_CHARS_MAX = 64

/** Returns the known word that a misspelled one stands for; undefined when none is near. Case does not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length === 0 || word.length > WORD_CHARS_MAX) return undefined
  const ranked = known
    .map(candidate => ({ candidate, edits: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits || lengthGap(a.candidate, word) - lengthGap(b.candidate, word))
  const best = ranked[0]
  return best !== undefined && best.edits <= editsMax(word) ? best.candidate : undefined
}

/** Returns ` Did you mean "goal"?` with its leading space, or nothing, to end a message with. */
export function didYouMean(word: string, known: readonly string[]): string {
  const candidate = nearest(word, known)
  return candidate === undefined ? '' : ` Did you mean "${candidate}"?`
}

/** One edit in a short word, a third of a long one: `gaol` is `goal`, `lr` is not `kr_cap`. */
function editsMax(word: string): number {
  return Math.max(word.length < 4 ? 1 : 2, Math.floor(word.length / 3))
}

/** Two swapped letters count as two edits, as many as two letters left out; a swap keeps the length. */
function lengthGap(candidate: string, word: string): number {
  return Math.abs(candidate.length - word.length)
}
