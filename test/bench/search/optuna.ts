/**
 * Optuna beside us: its samplers in a process of their own, asked and told by lines.
 *
 * Owns that process. Problems exist here alone: Optuna is told a space and losses, nothing else.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Asked } from '../ask-tell/session.js'
import type { Asker } from './play.js'

const PROGRAM = fileURLToPath(new URL('optuna_ask_tell.py', import.meta.url))

export interface OptunaAsker extends Asker {
  close(): void
}

/** Returns the Python that has Optuna, if any: `OPTUNA_PYTHON`, else `python3`. */
export function optunaPython(): { readonly python: string; readonly version?: string } {
  const python = process.env['OPTUNA_PYTHON'] ?? 'python3'
  const { status, stdout } = spawnSync(python, ['-c', 'import optuna; print(optuna.__version__)'], { encoding: 'utf8' })
  return status === 0 ? { python, version: stdout.trim() } : { python }
}

/** Starts a sampler by its name in the Python program. Errors, with the first question: it ended; it says why. */
export function openOptuna(python: string, sampler: string): OptunaAsker {
  const child = spawn(python, [PROGRAM, sampler], { stdio: ['pipe', 'pipe', 'inherit'] })
  const output = createInterface({ input: child.stdout })
  const lines = output[Symbol.asyncIterator]()
  // Where nothing could be started no line will come. The question that waits for one says so.
  child.on('error', () => output.close())
  child.stdin.on('error', () => undefined)
  const say = async (message: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(message)}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error(`Optuna's ${sampler} ended before it answered.`)
    return JSON.parse(String(value))
  }
  return {
    async begin({ space, seed, trials, pending }) {
      await say({ op: 'init', space, seed, trials, parallel: pending })
    },
    ask: async () => (await say({ op: 'ask' })) as Asked,
    async tell(id, value) {
      await say({ op: 'tell', id, value })
    },
    close: () => child.stdin.end()
  }
}
