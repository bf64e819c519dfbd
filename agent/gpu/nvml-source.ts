/**
 * NVIDIA devices by way of NVML in a child process, kept alive.
 *
 * Owns restarts and the last known facts. Never loads a driver's library into this process, never wakes a card.
 * Invariant: a driver that crashes, hangs or refuses costs its devices a `fault`, and this process nothing.
 */
import type { Device, Reading } from '../ports.js'
import { ASLEEP } from './faults.js'
import { allNvidiaWithFault, keepMissingNvidia, nvidiaEnvironment } from './nvidia.js'
import type { NvmlAnswer } from './nvml-calls.js'
import { NvmlProcess } from './nvml-process.js'
import { openSleepGate, type SleepGate } from './sleep-gate.js'
import type { DeviceSource, Log } from './source.js'

/** A reading takes a millisecond; a driver that has not answered after this is stuck. */
const ANSWER_MS = 5_000
/** The first reading may wake every card of a machine without persistence mode: up to 6 s were reported. */
const FIRST_ANSWER_MS = 20_000
/** The pause after the first failure; it doubles with each further one. */
const PAUSE_MIN_MS = 500
/** A process start each minute is not felt, and a driver that came back is found soon enough. */
const PAUSE_MAX_MS = 60_000
/** A card that stays awake although we let it go is used by others, or cannot sleep: not to be tried all the time. */
const AWAKE_MS = 600_000

export interface NvmlOptions {
  /** Paths of the library to try, best first; at least one. */
  readonly libraries: readonly string[]
  readonly log: Log
  readonly answerMs?: number
  /** In place of `/sys`. */
  readonly systemFolder?: string
}

/** Returns the source once it has answered; undefined when there is no NVIDIA driver or GPU to ask. */
export async function openNvmlSource(options: NvmlOptions): Promise<DeviceSource | undefined> {
  const source = new NvmlSource(options)
  if (await source.start()) return source
  await source.close()
  return undefined
}

class NvmlSource implements DeviceSource {
  readonly #options: NvmlOptions
  readonly #gate: SleepGate
  #process: NvmlProcess | undefined
  #isFirstQuestion = true
  #startedMs = 0
  #failures = 0
  #restartMs = 0
  /** The driver was let go of, so that its cards can sleep. */
  #isResting = false
  /** From then on it is let go of after a look at rest. */
  #restMs = 0
  /** Every device ever read, with its latest facts. */
  #known: readonly Device[] = []
  #latest: readonly Reading[] = []
  #isClosed = false

  constructor(options: NvmlOptions) {
    this.#options = options
    this.#gate = openSleepGate(options.systemFolder)
  }

  /** Asks for the first time; false when there is nothing to be asked, now or later. */
  async start(): Promise<boolean> {
    if (this.#gate.areAllAsleep()) {
      await this.#leaveAsleep()
      return true
    }
    const answer = await this.#ask()
    if (answer.state === 'absent') this.#options.log('There is no NVIDIA device.', { reason: answer.reason })
    else this.#note(answer)
    return answer.state !== 'absent'
  }

  async read(isIdle: boolean): Promise<readonly Reading[]> {
    const isPausing = this.#process === undefined && performance.now() < this.#restartMs
    if (isPausing || this.#isClosed) return this.#latest
    if (this.#gate.areAllAsleep()) await this.#leaveAsleep()
    else await this.#look(isIdle)
    return this.#latest
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return nvidiaEnvironment(deviceId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#process?.close()
  }

  async #look(isIdle: boolean): Promise<void> {
    if (isIdle && this.#isResting) this.#restMs = performance.now() + AWAKE_MS
    this.#isResting = false
    this.#note(await this.#ask())
    if (!isIdle || performance.now() < this.#restMs) return
    // An open driver keeps a card awake. One with a fault stays so: the fault is forgotten with the process.
    const areWell = this.#latest.every(({ device }) => device.fault === undefined)
    this.#isResting = areWell && this.#gate.mayAllSleep()
    if (this.#isResting) await this.#endProcess()
  }

  async #leaveAsleep(): Promise<void> {
    this.#isResting = false
    await this.#endProcess()
    this.#latest = allNvidiaWithFault(this.#known, ASLEEP)
  }

  async #endProcess(): Promise<void> {
    const ended = this.#process
    this.#process = undefined
    await ended?.close()
  }

  #ask(): Promise<NvmlAnswer> {
    this.#process ??= this.#startProcess()
    const answerMs = this.#isFirstQuestion ? FIRST_ANSWER_MS : (this.#options.answerMs ?? ANSWER_MS)
    this.#isFirstQuestion = false
    return this.#process.ask(answerMs)
  }

  #startProcess(): NvmlProcess {
    const started = new NvmlProcess(this.#options.libraries)
    this.#isFirstQuestion = true
    this.#startedMs = performance.now()
    this.#options.log('The process that asks the NVIDIA driver has started.', { pid: started.pid })
    return started
  }

  #note(answer: NvmlAnswer): void {
    switch (answer.state) {
      case 'readings':
        this.#latest = keepMissingNvidia(this.#known, answer.readings)
        this.#known = this.#latest.map(({ device }) => device)
        break
      case 'absent':
        this.#onFailure(`The NVIDIA driver is no longer there: ${answer.reason}`)
        break
      case 'fault':
        this.#onFailure(answer.fault)
    }
  }

  /**
   * Keeps the facts and pauses before a new process is started.
   *
   * A new one even when the old one still answers: it holds the old library, and an updated driver needs the new one.
   */
  #onFailure(fault: string): void {
    if (this.#isClosed) return
    this.#process?.kill()
    this.#process = undefined
    const livedMs = performance.now() - this.#startedMs
    // Only a long life pays for earlier failures: one that crashes at each second reading must not restart at once.
    this.#failures = livedMs > PAUSE_MAX_MS ? 1 : this.#failures + 1
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (this.#failures - 1))
    this.#restartMs = performance.now() + pauseMs
    this.#latest = allNvidiaWithFault(this.#known, fault)
    this.#options.log('The NVIDIA driver could not be asked.', { fault, pauseMs })
  }
}
