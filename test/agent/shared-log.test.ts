/**
 * The shared log on real stores: what is written counts, once, in order, on every machine that has the log.
 *
 * Machines meet in memory: two replication streams joined end to end, and the gossip that the mesh would carry.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import t, { type Test } from 'tap'
import { type Attestation, type Draft, encodeBlock, type LogRecord, poolHash } from '#protocol'
import { foundPool, type Identity, type Membership, openIdentity } from '../../agent/store/identity.js'
import { type FileKeeper, openKeeper } from '../../agent/store/keeper.js'
import { openSharedLog, type SharedLog } from '../../agent/store/shared-log.js'
import { bytesOf, openStore, type Store } from '../../agent/store/store.js'
import { type LogHarness, logContract } from '../contract/log.js'
import { until } from '../helpers/agents.js'
import { idFor, keyOf } from '../helpers/records.js'

const SWEEP = idFor('sweep')
const WAIT_MS = 15_000

interface Machine {
  readonly home: string
  readonly identity: Identity
  readonly membership: Membership
  readonly keeper: FileKeeper
  readonly store: Store
  readonly log: SharedLog
  readonly notes: string[]
  /** Machines whose entries were told of, in order. */
  readonly changed: string[]
  /** What to do when this machine knows more logs. */
  readonly onHeads: Set<() => void>
  onChanged: () => void
  isOpen: boolean
}

/** Opens a machine on its home, in the pool that it is given or in one that it founds. */
async function openMachine(home: string, given?: Membership): Promise<Machine> {
  const identity = openIdentity(home, { member: 'member', machine: 'machine' })
  const membership = given ?? foundPool(identity, 'den')
  const keeper = openKeeper(home, { checkpoints: () => [] })
  const store = await openStore(home)
  const [notes, changed]: [string[], string[]] = [[], []]
  const onHeads = new Set<() => void>()
  const told = { onChanged: () => {}, dropped: [] as string[] }
  const log = await openSharedLog({
    store,
    membership,
    identity,
    keeper,
    wall: () => 1000,
    note: message => notes.push(message),
    onChanged: writers => {
      changed.push(...writers)
      told.onChanged()
    },
    onDropped: draft => void told.dropped.push(draft.kind),
    onHeads: () => {
      for (const hear of onHeads) hear()
    }
  })
  if (!given) log.append([{ kind: 'pool-founded', ...membership.founding }])
  await log.flushed()
  return Object.assign(told, { home, identity, membership, keeper, store, log, notes, changed, onHeads, isOpen: true })
}

/** Closes a machine, in order or as a crash leaves it: without the mark of a clean stop. */
async function close(machine: Machine, how: 'in order' | 'crashed'): Promise<void> {
  if (!machine.isOpen) return
  machine.isOpen = false
  await machine.log.close()
  await machine.store.close()
  if (how === 'in order') machine.keeper.markCleanStop()
}

async function reopen(machine: Machine, how: 'in order' | 'crashed'): Promise<Machine> {
  await close(machine, how)
  return openMachine(machine.home, machine.membership)
}

/** Opens machines that end with the test: the first founds the pool, the others know its secret. */
async function pool<const N extends readonly string[]>(t: Test, ...names: N): Promise<{ [K in keyof N]: Machine }> {
  const folder = t.testdir({})
  const machines: Machine[] = []
  t.teardown(() => Promise.all(machines.map(machine => close(machine, 'crashed'))))
  for (const name of names) machines.push(await openMachine(join(folder, name), machines[0]?.membership))
  return machines as { [K in keyof N]: Machine }
}

/** Lets two machines meet: logs travel, and each tells the other which logs it knows. */
function meet(a: Machine, b: Machine): void {
  const [there, back] = [a.store.replicate(true) as Duplex, b.store.replicate(false) as Duplex]
  // How the streams end does not matter: the stores close under them.
  pipeline(there, back, there, () => undefined)
  const tell = () => {
    b.log.learn(a.log.heads())
    a.log.learn(b.log.heads())
  }
  a.onHeads.add(tell)
  b.onHeads.add(tell)
  tell()
}

async function admit(by: Machine, ...others: Machine[]): Promise<void> {
  by.log.append(
    others.map(({ identity: { member, machine } }) => {
      return { kind: 'member-admitted', member, machine, name: 'bo', role: 'member', invite: idFor(member) }
    })
  )
  await by.log.flushed()
}

function report(step: number, trial = 0): Draft {
  return { kind: 'attempt-reported', sweep: SWEEP, trial, attempt: 1, step, value: 1 }
}

async function write(machine: Machine, ...drafts: Draft[]): Promise<void> {
  machine.log.append(drafts)
  await machine.log.flushed()
}

/** The reports of one machine as another one sees them: steps and places, in the order of the steps. */
function reportsOf(writer: Machine, seenBy: Machine, trial = 0) {
  const attempt = seenBy.log.pool().sweeps.get(SWEEP)?.trials.get(trial)?.attempts.get(1)
  return [...(attempt?.reports.get(writer.identity.machine) ?? [])].sort((a, b) => a[0] - b[0])
}

const stepsOf = (writer: Machine, seenBy: Machine) => reportsOf(writer, seenBy).map(([step]) => step)
const incarnations = (machine: Machine) => attestations(machine).map(({ incarnation }) => incarnation)

function attestations(machine: Machine): Attestation[] {
  return machine.log
    .heads()
    .map(({ attestation }) => attestation)
    .filter(attestation => attestation.machine === machine.identity.machine)
    .sort((a, b) => a.incarnation - b.incarnation)
}

async function agreed(...machines: Machine[]): Promise<void> {
  const hashes = () => new Set(machines.map(machine => poolHash(machine.log.pool())))
  await until('all agree', async () => hashes().size === 1, WAIT_MS)
}

function asHarness(machine: Machine, holder: { machine: Machine }): LogHarness {
  holder.machine = machine
  return {
    log: machine.log,
    machine: machine.identity.machine,
    flushed: () => machine.log.flushed(),
    onChanged: hear => {
      machine.onChanged = hear
    },
    reopen: async () => asHarness(await reopen(machine, 'in order'), holder),
    crash: async () => asHarness(await reopen(machine, 'crashed'), holder)
  }
}

logContract(t, 'shared log', async t => {
  const holder = { machine: await openMachine(join(t.testdir({}), 'home')) }
  t.teardown(() => close(holder.machine, 'crashed'))
  return asHarness(holder.machine, holder)
})

t.test('after an orderly stop the same log goes on, after a crash a fresh one begins (L6)', async t => {
  const [ann] = await pool(t, 'ann')
  await write(ann, report(1))
  const clean = await reopen(ann, 'in order')
  t.same(attestations(clean), attestations(ann), 'the same log')
  await write(clean, report(2))
  const crashed = await reopen(clean, 'crashed')
  t.teardown(() => close(crashed, 'crashed'))
  t.same(incarnations(crashed), [1, 2])
  t.match(crashed.notes, ['opened a fresh log after an unclean stop'])
  await write(crashed, report(3))
  t.same(stepsOf(crashed, crashed), [1, 2, 3], 'what stands in the old log counts')
  const logs = reportsOf(crashed, crashed).map(([, place]) => place.log)
  t.same(
    logs,
    [1, 1, 2].map(incarnation => attestations(crashed)[incarnation - 1]?.log),
    'and the old log is not written to'
  )
})

t.test('a machine that lost its list of logs finds its own again, and writes to none of them (L6)', async t => {
  const [ann] = await pool(t, 'ann')
  await write(ann, report(1))
  await close(ann, 'in order')
  rmSync(join(ann.home, 'keeper', 'logs.json'))
  const again = await openMachine(ann.home, ann.membership)
  t.teardown(() => close(again, 'crashed'))
  await write(again, report(2))
  t.same(incarnations(again), [1, 2])
  t.same(stepsOf(again, again), [1, 2])
  t.not(reportsOf(again, again)[0]?.[1].log, reportsOf(again, again)[1]?.[1].log)
})

t.test('a crash before the first record leads to a log that can be read', async t => {
  const [ann] = await pool(t, 'ann')
  const [first, second] = [await reopen(ann, 'crashed'), ann]
  const third = await reopen(first, 'crashed')
  t.teardown(() => close(third, 'crashed'))
  t.same(incarnations(third), [1, 2, 3])
  t.equal(poolHash(third.log.pool()), poolHash(second.log.pool()), 'empty incarnations change nothing')
})

t.test('two machines that meet agree, whoever wrote first, and each log keeps its order (F2)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await write(bo, ...Array.from({ length: 250 }, (_, step) => report(step)))
  t.same(stepsOf(bo, bo), [], 'bo is no member that it knows of: its records wait')
  await admit(ann, bo)
  meet(ann, bo)
  await agreed(ann, bo)
  for (let step = 250; step < 260; step++) await write(step % 2 === 0 ? ann : bo, report(step))
  await until('everything arrived', async () => stepsOf(bo, ann).length + stepsOf(ann, bo).length === 260, WAIT_MS)
  await agreed(ann, bo)
  const places = reportsOf(bo, ann).map(([, { block, index }]) => block * 1e6 + index)
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    'a later report has a later place'
  )
  t.equal(ann.log.pool().rejections.count, 0, 'nothing came twice')
  t.ok(ann.changed.includes(bo.identity.machine) && bo.changed.includes(ann.identity.machine))
})

t.test('logs come by way of a third machine, also those of a machine that is off (L7)', async t => {
  const [ann, bo, cy] = await pool(t, 'ann', 'bo', 'cy')
  await admit(ann, bo, cy)
  await write(ann, report(1))
  meet(ann, bo)
  await until("bo has ann's log", async () => stepsOf(ann, bo).length === 1, WAIT_MS)
  await close(ann, 'in order')
  meet(bo, cy)
  await until("cy has ann's log", async () => stepsOf(ann, cy).length === 1, WAIT_MS)
  await write(bo, report(2))
  await until("cy has bo's record", async () => stepsOf(bo, cy).length === 1, WAIT_MS)
  await agreed(bo, cy)
})

t.test('the log of a stranger is not opened, attested or not, until a member admits it (L7)', async t => {
  const [ann, eve] = await pool(t, 'ann', 'eve')
  await write(eve, report(1))
  meet(ann, eve)
  await write(ann, report(1))
  await until("eve follows ann's log", async () => stepsOf(ann, eve).length === 1, WAIT_MS)
  t.same(
    ann.log.heads().map(({ attestation }) => attestation.machine),
    [ann.identity.machine]
  )
  t.notOk(ann.changed.includes(eve.identity.machine))
  await admit(ann, eve)
  await until("eve's log counts", async () => stepsOf(eve, ann).length === 1, WAIT_MS)
  await agreed(ann, eve)
})

t.test('a log that nobody vouches for is refused, and forgotten', async t => {
  const [ann, bo, eve] = await pool(t, 'ann', 'bo', 'eve')
  await admit(ann, bo)
  const theirs = eve.log.heads()[0]?.attestation ?? bo.identity.attest('', 1, '')
  const { member, machine } = bo.identity
  const forged: Attestation[] = [
    { ...theirs, member },
    { ...theirs, member, machine },
    {
      ...eve.identity.attest(ann.membership.pool, 1, theirs.log),
      member,
      memberSignature: bo.identity.signMachine('')
    },
    { ...bo.identity.attest(ann.membership.pool, 1, theirs.log), incarnation: 2 },
    bo.identity.attest(keyOf('other pool'), 1, theirs.log)
  ]
  ann.log.learn(forged.map(attestation => ({ attestation, length: 9 })))
  t.same(ann.keeper.loadLogs(), attestations(ann))
  const genuine = bo.log.heads()
  ann.log.learn(genuine)
  t.same(ann.keeper.loadLogs().length, 2, 'the genuine one is not')
})

t.test(
  'a member that attests the log of another machine as its own gains nothing: the log says whose it is (L7)',
  async t => {
    const [ann, bo, eve] = await pool(t, 'ann', 'bo', 'eve')
    await admit(ann, bo, eve)
    await write(bo, report(1))
    const log = bo.log.heads()[0]?.attestation.log ?? ''
    ann.log.learn([{ attestation: eve.identity.attest(ann.membership.pool, 7, log), length: 2 }])
    meet(ann, bo)
    await until("bo's record counts as bo's", async () => stepsOf(bo, ann).length === 1, WAIT_MS)
    t.same(stepsOf(eve, ann), [])
    t.match(ann.notes.join('\n'), /attested a log that is not its own/)
    await agreed(ann, bo)
  }
)

t.test('a writer that shortens its log and writes it anew is not followed', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  meet(ann, bo)
  await until("bo's record is here", async () => stepsOf(bo, ann).length === 1, WAIT_MS)
  const raw = bo.store.get({ name: 'log-1', encryption: { key: bytesOf(bo.membership.secret) } })
  await raw.ready()
  const { length } = raw
  await (raw as unknown as { truncate: (length: number) => Promise<void> }).truncate(length - 1)
  await write(ann, report(5))
  await until('they still talk', async () => stepsOf(ann, bo).length === 1, WAIT_MS)
  const again = await reopen(ann, 'in order')
  t.teardown(() => close(again, 'crashed'))
  t.same(stepsOf(bo, again), [1], 'what was read once is what is there')
})

t.test('places that do not decode are counted and skipped; what stands behind them counts (L4)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  const raw = bo.store.get({ name: 'log-1', encryption: { key: bytesOf(bo.membership.secret) } })
  const good: LogRecord = {
    kind: 'attempt-reported',
    sweep: SWEEP,
    trial: 0,
    attempt: 1,
    step: 1,
    value: 1,
    clock: 9,
    at: 0
  }
  const bytes = (text: string) => new TextEncoder().encode(text)
  await raw.append([
    new Uint8Array([0xff, 0xfe]),
    new Uint8Array(0),
    bytes('{"kind":"sweep-stopped"}'),
    bytes(`[${JSON.stringify({ ...good, step: 'NaN' })},${JSON.stringify(good)},null]`),
    bytes('[{"kind":"of-a-newer-release","clock":1,"at":1}]'),
    new Uint8Array(300 * 1024),
    encodeBlock([{ ...good, step: 2 }])
  ])
  await write(bo, report(3))
  meet(ann, bo)
  await until('what is good arrived', async () => stepsOf(bo, ann).length === 3, WAIT_MS)
  await agreed(ann, bo)
  const [{ log } = { log: '' }] = attestations(bo)
  t.same(ann.log.holes(), { [log]: 6 })
  t.same(bo.log.holes(), ann.log.holes(), 'both count alike')
})

t.test('records that do not fit a block together go into several, and none is lost', async t => {
  const [ann] = await pool(t, 'ann')
  const long = 'm'.repeat(1000)
  const claims = Array.from({ length: 100 }, (_, trial): Draft => {
    const parameters = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`p${index}`, long]))
    return { kind: 'trial-claimed', sweep: SWEEP, trial, attempt: 1, device: 'cpu', parameters }
  })
  await write(ann, ...claims)
  t.equal(ann.log.pool().sweeps.get(SWEEP)?.trials.size, 100)
  t.same(ann.log.holes(), {})
  t.ok((ann.log.heads()[0]?.length ?? 0) >= 2 + Math.floor((100 * 10_000) / (256 * 1024)))
})

t.test('of a record that cannot be written its author is told once, of one without effect too', async t => {
  const [ann] = await pool(t, 'ann')
  const parameters = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`p${index}`, 'v'.repeat(1000)]))
  const large: Draft = { kind: 'trial-claimed', sweep: SWEEP, trial: 0, attempt: 1, device: 'cpu', parameters }
  await write(ann, report(1), large, report(1))
  t.same(ann.notes, ['a record could not be written', 'a record of this machine has no effect'])
  t.same(stepsOf(ann, ann), [1])
})

t.test('what is handed over after the end is neither written nor an error', async t => {
  const [ann] = await pool(t, 'ann')
  await close(ann, 'in order')
  await write(ann, report(1))
  t.same(stepsOf(ann, ann), [])
})
