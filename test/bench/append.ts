/**
 * Bench: a claim from the call until it is in the log and folded, one after the other and in batches of 100.
 *
 * Beside it the same blocks appended to a bare Hypercore of the same store, in turns within the same run: what the log
 * adds to it shows as a ratio, whatever else the machine does meanwhile.
 */
import { join } from 'node:path'
import { type Draft, encodeBlock, type Parameters, searchOf, stamped } from '#protocol'
import { foundPool, openIdentity } from '../../agent/store/identity.js'
import {
  benchSweep,
  type Cost,
  costOf,
  type Figures,
  inFolder,
  type Machine,
  openMachine,
  rounded,
  submissionOf,
  sumOf
} from './rig.js'

const BATCH = 100
const ROUNDS = 6
/** Claims of a round: by single claims, in batches. */
const SINGLES = 500
const BATCHED = 5000
const TRIALS = (ROUNDS + 1) * (SINGLES + BATCHED)
const SINGLE_AIM = 2000
const BATCH_AIM = 20_000

interface Rate {
  readonly perSecond: number
  readonly cpuMsPer1000: number
}

/** Returns claims a second, singly and in batches, of the log and of a bare Hypercore, and their ratios. */
export async function benchAppend(): Promise<Figures> {
  return inFolder(async folder => {
    const home = join(folder, 'a')
    const membership = foundPool(openIdentity(home, { member: 'member', machine: 'machine' }), 'bench')
    const machine = await openMachine({ home, membership })
    const submission = submissionOf(benchSweep(TRIALS), machine.identity.member, 'append')
    await machine.write([{ kind: 'pool-founded', ...membership.founding }, submission])
    const claims = claimsOf(machine, submission.sweep)
    const bare = machine.store.get({ name: 'bare' })
    await bare.ready()
    const append = async (drafts: readonly Draft[], blocks: readonly Uint8Array[]) => {
      const logged = await costOf(() => writeEach(machine, drafts, drafts.length / blocks.length))
      const alone = await costOf(async () => {
        for (const block of blocks) await bare.append(block)
      })
      return { logged, alone }
    }
    const single: { logged: Cost; alone: Cost }[] = []
    const batched: { logged: Cost; alone: Cost }[] = []
    // The first round only warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      const [few, many] = [claims(SINGLES), claims(BATCHED)]
      const first = await append(few, blocksOf(machine, few, 1))
      const second = await append(many, blocksOf(machine, many, BATCH))
      if (round > 0) single.push(first)
      if (round > 0) batched.push(second)
    }
    await machine.close()
    return figuresOf(compared(single, SINGLES * ROUNDS), compared(batched, BATCHED * ROUNDS))
  })
}

function figuresOf(single: ReturnType<typeof compared>, batched: ReturnType<typeof compared>): Figures {
  const rows = [
    { what: 'claims a second, singly', rate: single, aim: SINGLE_AIM },
    { what: `claims a second, batches of ${BATCH}`, rate: batched, aim: BATCH_AIM }
  ].map(({ what, rate, aim }) => ({
    what,
    measured: `${rate.log.perSecond} (bare Hypercore ${rate.bare.perSecond}, ${rate.timesBare} x its time)`,
    aim: `${aim}`,
    isMet: rate.log.perSecond >= aim
  }))
  const figures = { bench: 'append', batch: BATCH, single, batched, rows }
  return figures
}

function compared(rounds: readonly { readonly logged: Cost; readonly alone: Cost }[], claims: number) {
  const [logged, alone] = [sumOf(rounds.map(each => each.logged)), sumOf(rounds.map(each => each.alone))]
  return {
    claims,
    log: rateOf(logged, claims),
    bare: rateOf(alone, claims),
    timesBare: rounded(logged.wallMs / alone.wallMs),
    cpuTimesBare: rounded(logged.cpuMs / alone.cpuMs)
  }
}

function rateOf(cost: Cost, claims: number): Rate {
  return { perSecond: Math.round(claims / (cost.wallMs / 1000)), cpuMsPer1000: rounded(cost.cpuMs / (claims / 1000)) }
}

async function writeEach(machine: Machine, drafts: readonly Draft[], batch: number): Promise<void> {
  for (let at = 0; at < drafts.length; at += batch) await machine.write(drafts.slice(at, at + batch))
}

/** Returns a function that gives the next claims, of trials that nobody claimed. */
function claimsOf(machine: Machine, sweep: string): (count: number) => Draft[] {
  const submission = machine.log.pool().sweeps.get(sweep)?.submission
  if (!submission) throw new Error('The sweep is folded.')
  const search = searchOf(submission)
  let next = 0
  const parameters = (trial: number): Parameters => search.trialAt(trial)?.parameters ?? {}
  return count =>
    Array.from({ length: count }, () => {
      const trial = next++
      return { kind: 'trial-claimed', sweep, trial, attempt: 1, device: 'cpu', parameters: parameters(trial) }
    })
}

function blocksOf(machine: Machine, drafts: readonly Draft[], batch: number): Uint8Array[] {
  const records = stamped(drafts, machine.log.pool(), Date.now())
  return Array.from({ length: drafts.length / batch }, (_, at) =>
    encodeBlock(records.slice(at * batch, (at + 1) * batch))
  )
}
