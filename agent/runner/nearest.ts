/**
 * Nearest: the known name that somebody most likely meant.
 *
 * Pure; used for hints only, never to act on a guess.
 */
import { distance } from 'fastest-levenshtein'

/** Letters that may differ, as a share of the word: beyond a third it is another word. */
const DIFFERENCE_SHARE_MAX = 1 / 3

/** Returns the known name that differs least from `word`, or undefined when none is near; of equals, the smaller. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, word.length * DIFFERENCE_SHARE_MAX)
  const ranked = known
    .map(name => ({ name, difference: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ difference }) => difference <= limit)
    .sort((a, b) => a.difference - b.difference || (a.name < b.name ? -1 : 1))
  return ranked[0]?.name
}
