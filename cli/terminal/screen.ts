/**
 * The screen: one frame in place of the last, and the keys that are pressed meanwhile.
 *
 * The only writer of escape codes that move the cursor. Whatever happens, `close` leaves the terminal as it was: the
 * last frame above the prompt, the cursor visible, the keyboard in line mode.
 */
import { emitKeypressEvents, type Key } from 'node:readline'
import type { ReadStream, WriteStream } from 'node:tty'
import { createLogUpdate } from 'log-update'

export interface Screen {
  readonly columns: number
  readonly rows: number
  show(frame: string): void
  close(): void
}

export interface ScreenOptions {
  readonly output: WriteStream
  readonly input: ReadStream
  /** The name of a key, such as `q`; `ctrl+c` for that one. */
  readonly onKey: (name: string) => void
  /** The terminal has another size now. */
  readonly onResize: () => void
}

/** Takes the terminal over until `close`. */
export function openScreen({ output, input, onKey, onResize }: ScreenOptions): Screen {
  const update = createLogUpdate(output)
  const onKeypress = (_: string | undefined, key: Key) => onKey(key.ctrl ? `ctrl+${key.name}` : (key.name ?? ''))
  const hasKeys = input.isTTY
  if (hasKeys) {
    emitKeypressEvents(input)
    input.setRawMode(true)
    input.on('keypress', onKeypress)
    input.resume()
  }
  output.on('resize', onResize)
  return {
    get columns() {
      return output.columns
    },
    get rows() {
      return output.rows
    },
    show: frame => update(frame),
    close() {
      output.off('resize', onResize)
      update.done()
      if (!hasKeys) return
      input.off('keypress', onKeypress)
      input.setRawMode(false)
      input.pause()
    }
  }
}
