/**
 * The follower of a log: each line that is written from now on, once.
 *
 * Reads by the clock, not by the file system's events: those are lost on network folders and differ on each system.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

/** Soon enough for a person to see a line appear, in ms. */
const READ_MS = 250
const CHUNK_BYTES = 64 * 1024

export interface LogFollower {
  /** Reads what was written since; the clock does it too. */
  read(): void
  close(): void
}

/** Follows a file that may not be there yet. A file that was set aside for a new one is read from its start. */
export function followLog(path: string, onLine: (line: string) => void): LogFollower {
  let at = sizeOf(path)
  let rest = ''
  const read = () => {
    const written = textFrom(path, at)
    if (written === undefined) return
    at = written.end
    const lines = (rest + written.text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') onLine(line)
  }
  const timer = setInterval(read, READ_MS)
  return {
    read,
    close() {
      clearInterval(timer)
      read()
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function textFrom(path: string, from: number): { text: string; end: number } | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined // It is made by the agent's first line.
  }
  try {
    const { size } = fstatSync(file)
    const parts: Buffer[] = []
    let at = size < from ? 0 : from
    for (let bytes = -1; at < size && bytes !== 0; at += bytes) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - at))
      bytes = readSync(file, chunk, 0, chunk.length, at)
      parts.push(chunk.subarray(0, bytes))
    }
    return { text: Buffer.concat(parts).toString('utf8'), end: at }
  } finally {
    closeSync(file)
  }
}
