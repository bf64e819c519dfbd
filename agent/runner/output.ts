/**
 * Output: what a program printed, kept in a file that does not grow for ever.
 *
 * Owns `output.log`. Invariant: it holds the end of the output, at most twice `LIMITS.outputBytes` of it.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { LIMITS } from '#protocol'

export interface OutputFile {
  /** Adds lines. Synchronous: a program that prints faster than the disk writes must wait, not fill the memory. */
  append(text: string): void
  close(): void
}

/** Stands in the output for lines that a full disk did not take. */
const MISSING = '… lines are missing here: the disk was full.\n'

/**
 * Opens an attempt's output; what is there stays.
 *
 * @param onFault  Told once when the disk takes no more. The attempt itself goes on, and so does its output once there
 *                 is room again, with a line that says what is missing.
 */
export function openOutput(path: string, onFault: (cause: unknown) => void): OutputFile {
  const file = openSync(path, 'a+')
  let size = fstatSync(file).size
  let isToldOf = false
  let isMissing = false

  function fault(cause: unknown): void {
    isMissing = true
    if (isToldOf) return
    isToldOf = true
    onFault(cause)
  }

  return {
    append(text) {
      try {
        // A line that was cut short by the disk ends where the next text begins.
        writeFileSync(file, isMissing ? `\n${MISSING}${text}` : text)
        isMissing = false
        size = fstatSync(file).size
        if (size > 2 * LIMITS.outputBytes) size = keepEnd(file, size)
      } catch (cause) {
        fault(cause)
      }
    },
    close() {
      try {
        closeSync(file)
      } catch (cause) {
        // Some disks tell only now that they had no room. The attempt's end must not depend on it.
        fault(cause)
      }
    }
  }
}

/** Returns the kept end of an output: whole lines, at most `LIMITS.outputBytes`; undefined if none is kept. */
export async function readOutput(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - LIMITS.outputBytes)
    const bytes = Buffer.alloc(size - start)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start)
    return fromLineStart(bytes.subarray(0, bytesRead), start > 0).toString('utf8')
  } finally {
    await file.close()
  }
}

function keepEnd(file: number, size: number): number {
  const bytes = Buffer.alloc(LIMITS.outputBytes)
  const length = readSync(file, bytes, 0, bytes.length, size - bytes.length)
  const end = fromLineStart(bytes.subarray(0, length), true)
  ftruncateSync(file, 0)
  return writeSync(file, end)
}

/** Cuts the first line, of which only the end is there. */
function fromLineStart(bytes: Buffer, isCut: boolean): Buffer {
  return isCut ? bytes.subarray(bytes.indexOf('\n') + 1) : bytes
}
