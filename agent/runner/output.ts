/**
 * Output: what a program printed, kept in a file that does not grow for ever.
 *
 * Owns `output.log`. Invariant: it holds the end of the output, at most twice `LIMITS.outputBytes` of it.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { LIMITS } from '#protocol'

export interface OutputFile {
  /** Adds lines. Synchronous: a program that prints faster than the disk writes must wait, not fill the memory. */
  append(text: string): void
  close(): void
}

/**
 * Opens an attempt's output; what is there stays.
 *
 * @param onFault  Told once when the disk takes no more; the attempt itself goes on.
 */
export function openOutput(path: string, onFault: (cause: unknown) => void): OutputFile {
  const file = openSync(path, 'a+')
  let size = fstatSync(file).size
  let isBroken = false
  return {
    append(text) {
      if (isBroken) return
      try {
        size += writeSync(file, text)
        if (size > 2 * LIMITS.outputBytes) size = keepEnd(file, size)
      } catch (cause) {
        isBroken = true
        onFault(cause)
      }
    },
    close: () => closeSync(file)
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
