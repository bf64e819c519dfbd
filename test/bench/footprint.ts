/**
 * Bench: what an idle agent costs its owner, connected to three others.
 *
 * Real agents, as built; CPU time and memory as the kernel counts them (Linux). `npm run bench -- footprint` prints
 * JSON: share of one core over the window, resident memory in MB.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { makePool, openLab } from '../helpers/agents.js'

const SETTLE_MS = 5000
const WINDOW_MS = 20_000
/** Clock ticks a second of /proc: fixed on Linux. Source: proc(5), sysconf(_SC_CLK_TCK). */
const TICKS = 100
const MB = 1e6

export async function benchFootprint(): Promise<object> {
  const lab = await openLab()
  try {
    const agents = await makePool(lab, ['a', 'b', 'c', 'd'])
    await wait(SETTLE_MS)
    const pids = agents.map(agent => agent.process.pid ?? 0)
    const before = pids.map(cpuSeconds)
    await wait(WINDOW_MS)
    const shares = pids.map((pid, index) => (cpuSeconds(pid) - (before[index] ?? 0)) / (WINDOW_MS / 1000))
    const memory = pids.map(residentBytes)
    const round = (value: number, digits: number) => Number(value.toFixed(digits))
    return {
      bench: 'footprint',
      peers: agents.length - 1,
      cpuShareOfOneCore: round(Math.max(...shares), 4),
      residentMB: round(Math.max(...memory) / MB, 1),
      each: pids.map((_, index) => ({
        cpuShareOfOneCore: round(shares[index] ?? 0, 4),
        residentMB: round((memory[index] ?? 0) / MB, 1)
      }))
    }
  } finally {
    await lab.close()
  }
}

function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
}
