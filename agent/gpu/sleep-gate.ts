/**
 * The sleep gate: whether NVIDIA's cards sleep, told without waking them.
 *
 * A laptop switches its card off while nobody uses it. Any question to the driver wakes it for seconds, and an open
 * handle keeps it awake for good: watts and noise for a look at a card at rest. The kernel tells for free.
 * Invariant: reads files of the kernel's power management, and nothing that reaches a card.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

const NVIDIA = '0x10de'
/** PCI's class of display controllers, of which 3D controllers are a kind. */
const DISPLAY = /^0x03/

export interface SleepGate {
  /** True when there are cards of NVIDIA's driver, and each one is suspended. */
  areAllAsleep(): boolean
  /** True when there are cards of NVIDIA's driver, and the kernel may suspend each one. */
  mayAllSleep(): boolean
}

/** Returns the gate. Without such files (Windows, macOS, WSL) nothing ever sleeps. `root`: in place of `/sys`. */
export function openSleepGate(root = '/sys'): SleepGate {
  const holdsForAll = (file: string, pattern: RegExp) => {
    const cards = cardsIn(join(root, 'bus', 'pci', 'devices'))
    return cards.length > 0 && cards.every(card => pattern.test(textOf(join(card, 'power', file))))
  }
  return {
    // One that is going to sleep counts: to wake it now is as bad.
    areAllAsleep: () => holdsForAll('runtime_status', /^suspend(ed|ing)$/),
    mayAllSleep: () => holdsForAll('control', /^auto$/)
  }
}

/** A card without NVIDIA's driver, such as one that a virtual machine has, is not ours to look at. */
function cardsIn(folder: string): readonly string[] {
  return namesIn(folder)
    .map(name => join(folder, name))
    .filter(card => textOf(join(card, 'vendor')) === NVIDIA && DISPLAY.test(textOf(join(card, 'class'))))
    .filter(card => driverOf(card) === 'nvidia')
}

function driverOf(card: string): string {
  try {
    return basename(readlinkSync(join(card, 'driver')))
  } catch {
    return ''
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Returns what a file says, without its end of line; nothing when it cannot be read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
