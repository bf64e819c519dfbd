/**
 * Metrics: the file into which a program writes its metrics, read while it grows.
 *
 * Owns the place up to which it was read. The file is the program's: it may be torn, cut, replaced by a link or a
 * pipe. Links are not followed, nothing blocks, and at most `LIMITS.metricsBytes` are read.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { LIMITS } from '#protocol'
import type { Report } from '../ports.js'
import { createReportParser, type ReportParser } from './reports.js'

/** Bytes read at once: small enough that one file of millions of lines does not hold up the others. */
const READ_BYTES = 64 * 1024

// Windows has neither flag, and neither danger: there `constants` lacks them.
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export interface MetricsReader {
  /** Reads what is new, at most one piece of it. Returns its reports, or undefined when there was nothing. */
  next(): Promise<readonly Report[] | undefined>
  /**
   * Reads what is left when `next` finds nothing more: a last line without an end, and of a file beyond the limit its
   * last piece, so that the last value is the last one even there.
   */
  end(): Promise<readonly Report[]>
}

/**
 * Returns a reader of the metrics file at `path`, which need not exist. Calls must not overlap.
 *
 * @param createParser  Of what the file holds; lines unless it is given.
 */
export function createMetricsReader(
  path: string,
  createParser: () => ReportParser = createReportParser
): MetricsReader {
  let parser = createParser()
  let offset = 0
  let bytesLeft = LIMITS.metricsBytes

  async function next(): Promise<readonly Report[] | undefined> {
    const file = await open(path, FLAGS).catch(() => undefined)
    if (file === undefined) return undefined
    try {
      return await nextOf(file)
    } catch {
      // A file that cannot be read now tells nothing now.
      return undefined
    } finally {
      await file.close()
    }
  }

  async function nextOf(file: FileHandle): Promise<readonly Report[] | undefined> {
    const status = await file.stat()
    if (!status.isFile()) return undefined
    // The program began its file anew: what it writes now is new as well.
    if (status.size < offset) {
      offset = 0
      parser = createParser()
    }
    const length = Math.min(READ_BYTES, status.size - offset, bytesLeft)
    if (length <= 0) return undefined
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset)
    if (bytesRead === 0) return undefined
    offset += bytesRead
    bytesLeft -= bytesRead
    return parser.push(buffer.subarray(0, bytesRead))
  }

  async function end(): Promise<readonly Report[]> {
    const torn = parser.end()
    if (bytesLeft > 0) return torn
    const status = await stat(path).catch(() => undefined)
    offset = Math.max(offset, (status?.size ?? 0) - READ_BYTES)
    bytesLeft = READ_BYTES
    const last = (await next()) ?? []
    bytesLeft = 0
    return [...torn, ...last, ...parser.end()]
  }

  return { next, end }
}
