/**
 * Cards of different sizes, with real agents and real programs: trials go where their memory fits, what fits nowhere is
 * named, and a card whose owner wants it is given back. The cards are the fake driver's, and so is their memory: each
 * program enters what it takes into its card's file, and dies with PyTorch's words when there is not so much.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildFakeDriver, NO_COMPILER } from '../gpu/fake-driver.js'
import { type Lab, makePool, openLab, type RunningAgent, until } from '../helpers/agents.js'

const GAME = 'process=4194000,4000,60'
t.setTimeout(300_000)

/** What a fine-tune does to a card: it takes some of its memory for some steps. `cards`: the folder of their files. */
const trainer = (cards: string) => `
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
const { batch_size: batch, steps, stubborn } = JSON.parse(readFileSync(process.env.HYPERSWEEP_PARAMETERS, 'utf8'))
const file = ${JSON.stringify(cards)} + '/' + process.env.CUDA_VISIBLE_DEVICES + '.ini'
const own = 'process=' + process.pid + ','
const linesNow = () => readFileSync(file, 'utf8').split('\\n').filter(line => !line.startsWith(own))
const valueOf = (lines, name) => Number(lines.find(line => line.startsWith(name + '=')).slice(name.length + 1))
function hold(mib) {
  const lines = linesNow().filter(line => line !== '' && !line.startsWith('used_mib='))
  if (mib > 0) lines.push(own + mib + ',90')
  const held = lines.filter(line => line.startsWith('process=')).map(line => Number(line.split(',')[1]))
  lines.push('used_mib=' + held.reduce((sum, each) => sum + each, 300), '')
  writeFileSync(file + '.' + process.pid, lines.join('\\n'))
  renameSync(file + '.' + process.pid, file)
}
const needMib = 1500 + 1000 * batch
const totalMib = valueOf(linesNow(), 'total_mib')
if (needMib > totalMib - 300) {
  const gib = (totalMib / 1024).toFixed(2)
  process.stderr.write('Traceback (most recent call last):\\n  File "train.py", line 40, in <module>\\n    loss.backward()\\n')
  process.stderr.write('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of ' +
    gib + ' GiB of which 18.94 MiB is free. Including non-PyTorch memory, this process has ' + gib + ' GiB memory in use.\\n')
  process.exit(1)
}
process.on('SIGTERM', () => {
  if (stubborn) return
  hold(0)
  process.exit(143)
})
hold(needMib)
for (let step = 1; step <= steps; step++) {
  console.log(JSON.stringify({ step, steps, loss: 1 / step + batch / 100 }))
  await new Promise(resolve => setTimeout(resolve, 250))
}
hold(0)
`

interface Club {
  readonly lab: Lab
  readonly agents: readonly RunningAgent[]
  /** Submits a sweep of \`batch_size\` on the first machine, which all have approved, and returns its id. */
  submit(batches: readonly number[], about: { steps: number; stubborn?: boolean }): Promise<string>
  /** Adds a line to the file of a machine's card. */
  plug(name: string, line: string): void
}

/** Lets agents with cards of so many GiB meet, by name. Skips where the fake driver cannot be built. */
async function club(t: Test, cards: Readonly<Record<string, number>>): Promise<Club | undefined> {
  const lab = await openLab()
  t.teardown(() => lab.close())
  const folder = join(lab.folder, 'cards')
  mkdirSync(folder)
  const library = buildFakeDriver(folder, 'libnvidia-ml')
  if (library === undefined) {
    t.comment(`skipped: ${NO_COMPILER}`)
    return undefined
  }
  const uuidOf = (name: string) => `GPU-${name}-1111-4222-8333-444444444444`
  const fileOf = (name: string) => join(folder, `${uuidOf(name)}.ini`)
  for (const [name, gib] of Object.entries(cards)) {
    const totalMib = gib * 1024
    const card = ['[gpu]', `uuid=${uuidOf(name)}`, `name=NVIDIA card of ${gib} GB`, `total_mib=${totalMib}`]
    writeFileSync(fileOf(name), [...card, 'used_mib=300', 'capability=8.9', ''].join('\n'))
    mkdirSync(lab.home(name), { recursive: true })
    writeFileSync(join(lab.home(name), 'config.yaml'), 'owner: {quiet: 2s, grace: 5s}\n')
  }
  const environmentOf = (name: string) => ({
    HYPERSWEEP_NVML_LIBRARY: library,
    FAKE_NVML_CONFIG: fileOf(name),
    HYPERSWEEP_APPROVE: 'all'
  })
  const agents = await makePool(lab, Object.keys(cards), environmentOf)
  const [first] = agents
  if (!first) throw new Error('A club has at least one machine.')
  return {
    lab,
    agents,
    async submit(batches, { steps, stubborn = false }) {
      const sweep = join(lab.folder, 'sweep')
      mkdirSync(sweep, { recursive: true })
      writeFileSync(join(sweep, 'train.mjs'), trainer(folder))
      writeFileSync(
        join(sweep, 'sweep.yaml'),
        `name: memory\ncommand: [node, "\${program}"]\nprogram: train.mjs\nmethod: grid\nlease: 4s\nbackups: "off"\n` +
          `metric: {name: loss, goal: minimize}\nparameters:\n  batch_size: {values: [${batches.join(', ')}]}\n` +
          `  learning_rate: {values: [0.1, 0.2]}\n  steps: {value: ${steps}}\n  stubborn: {value: ${stubborn}}\n`
      )
      const typed = await lab.type(Object.keys(cards)[0] ?? '', ['submit', join(sweep, 'sweep.yaml'), '--json'])
      if (typed.status !== 0) throw new Error(typed.err)
      return JSON.parse(typed.out).sweep
    },
    plug(name, line) {
      const text = readFileSync(fileOf(name), 'utf8')
      writeFileSync(`${fileOf(name)}.new`, `${text}${line}\n`)
      renameSync(`${fileOf(name)}.new`, fileOf(name))
    }
  }
}

const stateOf = async (agent: RunningAgent, sweep: string) => (await agent.ask({ method: 'sweep', sweep })).state
const trialsOf = (agent: RunningAgent, sweep: string) => agent.ask({ method: 'trials', sweep, limit: 100 })

/** The machine that runs something now. */
async function busy(agents: readonly RunningAgent[]): Promise<RunningAgent | undefined> {
  for (const agent of agents) if ((await agent.ask({ method: 'status' })).attempts > 0) return agent
  return undefined
}

t.test('trials go where they fit; what fits nowhere is named; nothing is tried twice where it failed', async t => {
  const parts = await club(t, { small: 8, middle: 12, large: 24 })
  if (!parts) return
  const { agents, submit } = parts
  const [first] = agents
  if (!first) return
  const sweep = await submit([2, 4, 6, 9, 12, 18, 30], { steps: 8 })
  await until('the sweep is over', async () => (await stateOf(first, sweep)) === 'done', 240_000)
  const trials = await trialsOf(first, sweep)
  const batchOf = (trial: (typeof trials)[number]) => Number(trial.parameters['batch_size'])
  for (const trial of trials) {
    const { attempts, state } = trial
    t.equal(state, batchOf(trial) === 30 ? 'unplaceable' : 'complete', `batch size ${batchOf(trial)}`)
    const failedAt = attempts.filter(each => each.state === 'oom').map(each => each.machine)
    t.equal(new Set(failedAt).size, failedAt.length, 'not twice on one machine')
  }
  const ends = trials.flatMap(({ attempts }) => attempts)
  const peaks = ends.flatMap(({ state, usage }) =>
    state === 'complete' && usage?.peakBytes !== undefined ? [usage] : []
  )
  t.ok(peaks.length > 0, 'what attempts took is in their results')
  t.same(new Set(peaks.map(({ peakSource }) => peakSource)), new Set(['process']))
  const ooms = ends.filter(({ state }) => state === 'oom').length
  t.ok(ooms <= 6, `${ooms} attempts ran out of memory`)
  const hopeless = trials.find(trial => batchOf(trial) === 30)
  const { placement = [] } = await first.ask({ method: 'trial', sweep, trial: hopeless?.trial ?? 0 })
  t.equal(placement.length, 3)
  for (const { fits, text } of placement) t.match({ fits, text }, { fits: false, text: /GiB/ })
})

t.test(
  'a game evicts: the attempt is gone, its trial ends elsewhere, and the card rests until it is quiet',
  async t => {
    const parts = await club(t, { ann: 12, bo: 12 })
    if (!parts) return
    const { agents, submit, plug } = parts
    const [first] = agents
    if (!first) return
    const sweep = await submit([2], { steps: 40 })
    await until('both trials run', async () => {
      const all = await Promise.all(agents.map(agent => agent.ask({ method: 'status' })))
      return all.every(({ attempts }) => attempts === 1)
    })
    plug('bo', GAME)
    const bo = agents[1]
    await until('the attempt is gone', async () => (await bo?.ask({ method: 'status' }))?.attempts === 0)
    await until('everybody sees why', async () => {
      const machines = await first.ask({ method: 'machines' })
      return JSON.stringify(machines.find(({ name }) => name === 'bo')?.devices).includes('keep it 60 % busy')
    })
    await until('the sweep is over', async () => (await stateOf(first, sweep)) === 'done')
    const trials = await trialsOf(first, sweep)
    t.same(
      trials.map(({ state, machineName }) => [state, machineName]),
      [
        ['complete', 'ann'],
        ['complete', 'ann']
      ]
    )
    const ends = trials.flatMap(({ attempts }) => attempts.map(({ machineName, state }) => `${machineName} ${state}`))
    t.same(ends.sort(), ['ann complete', 'ann complete', 'bo released'])
  }
)

/** The processes that asked the driver so far, as the agent's log tells. */
function driverPids(home: string): number[] {
  const lines = readFileSync(join(home, 'agent.log'), 'utf8').split('\n')
  return lines.flatMap(line => (line.includes('asks the NVIDIA driver has started') ? [JSON.parse(line).pid] : []))
}

t.test(
  'without the process that asks the driver all goes on; pause --now ends what runs, however stubborn; it outlives a restart, and resume ends it',
  async t => {
    const parts = await club(t, { ann: 12 })
    if (!parts) return
    const { lab, agents, submit } = parts
    const [ann] = agents
    if (!ann) return
    await submit([2], { steps: 400, stubborn: true })
    await until('a trial runs', async () => (await busy(agents)) !== undefined)
    // Each start of the agent so far had one.
    const pids = driverPids(lab.home('ann'))
    process.kill(pids.at(-1) ?? 0, 'SIGKILL')
    await until('another one asks it', async () => driverPids(lab.home('ann')).length > pids.length)
    await until('the card is well', async () => {
      const [machine] = await ann.ask({ method: 'machines' })
      return machine?.running.length === 1 && machine.devices.every(device => !('fault' in device))
    })
    const began = performance.now()
    const paused = await lab.type('ann', ['pause', '--now'])
    t.equal(paused.status, 0, paused.err)
    await until('nothing runs', async () => (await ann.ask({ method: 'status' })).attempts === 0)
    t.comment(`from the command to no process: ${Math.round(performance.now() - began)} ms`)
    t.match(await ann.ask({ method: 'status' }), { paused: /paused by its owner/ })
    await ann.down()
    const environment = { HYPERSWEEP_NVML_LIBRARY: 'none', HYPERSWEEP_APPROVE: 'all' }
    const again = await lab.start('ann', environment)
    t.match(await again.ask({ method: 'status' }), { paused: /paused by its owner/ })
    t.equal((await lab.type('ann', ['resume'])).status, 0)
    t.equal((await again.ask({ method: 'status' })).paused, undefined)
  }
)
