/**
 * W&B's offline runs: what a program logs by W&B's library, read from the files that it writes.
 *
 * Owns where these files are. A program may have several runs, one for each process; all are followed. The folder is
 * the program's: it may hold anything, so links are not followed and little of it is looked at.
 * Source: wandb/sdk/wandb_settings.py (`sync_dir`, `sync_file`).
 */
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../ports.js'
import { createMetricsReader, type MetricsReader } from './metrics.js'
import { createReportReader, type ReportParser } from './reports.js'
import { createWandbDecoder } from './wandb-log.js'

/** Runs of one attempt that are followed: a process for each GPU of a machine, and a restart. */
const RUNS_MAX = 16
/** Entries of the folder that are looked at. */
const ENTRIES_MAX = 1000
const RUN_FOLDER = /^offline-run-\d{8}_\d{6}-([A-Za-z0-9_.-]{1,128})$/

export type WandbReader = Pick<MetricsReader, 'next'>

/** Returns a reader of all offline runs in `folder`, which need hold none. Calls must not overlap. */
export function createWandbReader(folder: string): WandbReader {
  const readers = new Map<string, MetricsReader>()
  const runs = join(folder, 'wandb')
  return {
    async next() {
      for (const { name, id } of await runsIn(runs)) {
        if (readers.has(name) || readers.size >= RUNS_MAX) continue
        readers.set(name, createMetricsReader(join(runs, name, `run-${id}.wandb`), createParser))
      }
      const found: Report[] = []
      let isNew = false
      for (const reader of readers.values()) {
        const reports = await reader.next()
        isNew ||= reports !== undefined
        found.push(...(reports ?? []))
      }
      return isNew ? found : undefined
    }
  }
}

function createParser(): ReportParser {
  const decoder = createWandbDecoder()
  const reader = createReportReader()
  const read = (text: string) => reader.read({ text, isCut: false })
  return { push: chunk => decoder.push(chunk).flatMap(line => read(line) ?? []), end: () => [] }
}

async function runsIn(folder: string): Promise<{ name: string; id: string }[]> {
  const found: { name: string; id: string }[] = []
  try {
    let count = 0
    for await (const entry of await opendir(folder)) {
      const [, id] = RUN_FOLDER.exec(entry.name) ?? []
      if (id !== undefined && entry.isDirectory()) found.push({ name: entry.name, id })
      if (++count >= ENTRIES_MAX) break
    }
  } catch {
    // Most programs have no such folder.
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}
