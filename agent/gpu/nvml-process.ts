/**
 * One life of the child process that holds NVML, seen from its parent.
 *
 * Owns the process and the question in flight. Never restarts it: that is `nvml-source.ts`.
 * Invariant: every question is answered, by the child, by its end, or by the clock; nothing rejects.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { invariant } from '#protocol'
import type { NvmlAnswer } from './nvml-calls.js'

/** How long the child may take to let go of the driver before it is killed. */
const END_GRACE_MS = 1000

/** `windowsHide` keeps a console window from flashing up; `fork` hands it on, though its types do not know it. */
const OPTIONS: ForkOptions & { readonly windowsHide: true } = {
  stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  windowsHide: true
}

const HANGS: NvmlAnswer = { state: 'fault', fault: 'The NVIDIA driver does not answer.' }

export class NvmlProcess {
  readonly #child: ChildProcess
  #answer: ((answer: NvmlAnswer) => void) | undefined
  /** What there is to say once the process is gone. */
  #end: NvmlAnswer | undefined

  constructor(libraries: readonly string[]) {
    // The flags of this process are inherited, so that the child runs from TypeScript wherever its parent does.
    const program = new URL(import.meta.url.endsWith('.ts') ? './nvml-child.ts' : './nvml-child.js', import.meta.url)
    this.#child = fork(program, [...libraries], OPTIONS)
    this.#child.on('message', message => this.#answer?.(message as NvmlAnswer))
    this.#child.once('exit', (code, signal) => this.#onEnd(signal ?? `exit code ${code}`))
    this.#child.on('error', error => this.#onEnd(error.message))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Returns one reading; a fault when the process ends or `withinMs` pass. One question at a time. */
  ask(withinMs: number): Promise<NvmlAnswer> {
    invariant(this.#answer === undefined, 'one question at a time is asked')
    if (this.#end !== undefined) return Promise.resolve(this.#end)
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#answer?.(HANGS), withinMs)
      this.#answer = answer => {
        clearTimeout(timer)
        this.#answer = undefined
        resolve(answer)
      }
      // A message that cannot be sent has no reader any more; the exit that follows gives the answer.
      this.#child.send('read', () => undefined)
    })
  }

  /** Ends the process; one that is stuck in the driver is killed and left behind, since nothing can wait for it. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return
    this.#onEnd('closed')
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(END_GRACE_MS) })
    if (this.#child.connected) this.#child.disconnect()
    await ended.catch(() => this.kill())
  }

  /** Ends the process at once, without waiting: a process inside a kernel call outlives even SIGKILL for a while. */
  kill(): void {
    this.#onEnd('killed')
    this.#child.kill('SIGKILL')
    if (this.#child.connected) this.#child.disconnect()
    this.#child.unref()
  }

  #onEnd(how: string): void {
    this.#end ??= { state: 'fault', fault: `The process that asks the NVIDIA driver ended (${how}).` }
    this.#answer?.(this.#end)
  }
}
