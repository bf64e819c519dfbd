/**
 * A sheet: what a view is drawn on. Everything about the terminal and the hour that a pure renderer may know.
 */
import type { Style } from './style.js'

export interface Sheet {
  /** Columns of the terminal; infinite for a pipe or a file, where nothing is cut. */
  readonly columns: number
  readonly style: Style
  /** Wall time in ms since 1970, for ages only. */
  readonly now: number
}
