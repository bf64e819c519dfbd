/**
 * `import`: a sweep of another tool as a sweep file of ours, on standard output.
 *
 * What it writes passes `check`, once the program lies beside it. W&B's sweep files run as they are: of one it prints
 * how it is read here.
 */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { formatBytes, PoolError } from '#protocol'
import { type Cli, type CommonFlags, jsonLine } from '../cli.js'
import { sweepFromAxolotl } from '../import/axolotl.js'
import { type Imported, sweepFromOptuna } from '../import/optuna.js'
import { isJournal } from '../import/optuna-journal.js'
import { sweepText } from '../import/sweep-text.js'
import { isSweepFile, sweepFromWandb } from '../import/wandb.js'

/** A journal of a hundred thousand trials. */
const FILE_BYTES_MAX = 64 * 1024 * 1024

export interface ImportFlags extends CommonFlags {
  readonly study?: string
  readonly best: number
  readonly metric?: string
  readonly program: string
  readonly config: string
}

export async function importSweep(this: Cli, flags: ImportFlags, file: string): Promise<void> {
  const { document, notes } = imported(await textOf(file), flags, file)
  for (const note of notes) this.say(note)
  if (flags.json) return this.out(jsonLine(document))
  this.out(sweepText(document, notes))
  this.next('hypersweep check sweep.yaml', 'see what it would run, once you wrote it there')
}

function imported(text: string, flags: ImportFlags, fileName: string): Imported {
  const { best, metric, program, config, study } = flags
  if (isJournal(text)) {
    const named = study === undefined ? {} : { study }
    return sweepFromOptuna(text, { fileName, best, metric: metric ?? 'objective', program, ...named })
  }
  if (text.startsWith('SQLite format 3')) {
    throw new PoolError('SWEEP_INVALID', `${fileName} is a database. Only Optuna's journals are read.`, {
      hint: 'Copy it in Python: copy_study with JournalStorage(JournalFileBackend("optuna.log")) as its `to_storage`.'
    })
  }
  if (isSweepFile(text)) return sweepFromWandb(text, fileName)
  return sweepFromAxolotl(text, { fileName, config, metric: metric ?? 'eval_loss' })
}

async function textOf(file: string): Promise<string> {
  const path = resolve(file)
  try {
    const { size } = await stat(path)
    if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${formatBytes(FILE_BYTES_MAX)}`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PoolError('SWEEP_INVALID', `${path} cannot be read: ${why}.`, {
      hint: "Give an Optuna journal, Axolotl's sweep list or W&B's sweep file.",
      cause
    })
  }
}
