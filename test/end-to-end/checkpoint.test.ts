/**
 * A checkpoint that travels: what one machine gives back, for a pause or because it stops, another one goes on with.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TrialView } from '#protocol'
import { type Lab, makePool, openLab, type RunningAgent, until } from '../helpers/agents.js'

const STEPS = 400
/** Counts, saves each step, and takes its time until it has been told to stop once. */
const TRAIN = `
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
const file = join(process.env.HYPERSWEEP_CHECKPOINT, 'step')
const first = existsSync(file) ? Number(readFileSync(file, 'utf8')) + 1 : 1
console.log('begins at step', first, 'resumed', process.env.HYPERSWEEP_RESUME)
process.on('SIGTERM', () => process.exit(143))
for (let step = first; step <= ${STEPS}; step++) {
  writeFileSync(file + '.new', String(step))
  renameSync(file + '.new', file)
  console.log(JSON.stringify({ step, steps: ${STEPS}, loss: 1 / step }))
  await new Promise(resolve => setTimeout(resolve, first > 1 ? 1 : 25))
}
`
const SWEEP = `
name: long
command: [node, "\${program}"]
program: train.mjs
method: grid
metric: {name: loss, goal: minimize}
parameters: {x: {values: [1]}}
`

/** Opens a lab in which ada trains the one trial of a sweep that ben has approved, too, and is at step 5 or further. */
async function withTrial(body: (ada: RunningAgent, ben: RunningAgent, sweep: string) => Promise<void>): Promise<void> {
  const lab = await openLab()
  try {
    const [ada, ben] = await makePool(lab, ['ada', 'ben'])
    if (!ada || !ben) throw new Error('There are two agents.')
    const sweep = await submitted(lab)
    await until('ada is at step 5', async () => ((await trialAt(ada, sweep)).step ?? 0) >= 5)
    await until('ben has the sweep', async () => (await ben.ask({ method: 'sweeps' })).length === 1)
    await ben.ask({ method: 'approve', sweep })
    await until('ben has its bundle', async () => (await ben.ask({ method: 'sweep', sweep })).bundleState === 'ready')
    await body(ada, ben, sweep)
  } finally {
    await lab.close()
  }
}

async function submitted(lab: Lab): Promise<string> {
  const folder = join(lab.folder, 'sweep')
  mkdirSync(folder)
  writeFileSync(join(folder, 'train.mjs'), TRAIN)
  writeFileSync(join(folder, 'sweep.yaml'), SWEEP)
  const { out } = await lab.type('ada', ['submit', join(folder, 'sweep.yaml'), '--json'])
  return JSON.parse(out).sweep
}

function trialAt(agent: RunningAgent, sweep: string): Promise<TrialView> {
  return agent.ask({ method: 'trial', sweep, trial: 0 })
}

/** Waits until ben has finished the trial, and checks that it went on from where ada was. */
async function finishesFromCheckpoint(t: Test, ben: RunningAgent, sweep: string): Promise<void> {
  await until('ben finishes the trial', async () => (await trialAt(ben, sweep)).state === 'complete')
  const { attempts, step } = await trialAt(ben, sweep)
  t.match(
    attempts.map(({ machineName, state }) => [machineName, state]),
    [
      ['ada', 'released'],
      ['ben', 'complete']
    ]
  )
  t.equal(step, STEPS)
  const { text } = await ben.ask({ method: 'logs', sweep, trial: 0 })
  const [, first = '0', resumed] = /begins at step (\d+) resumed (\d)/.exec(text) ?? []
  t.ok(Number(first) > 5, `it began at step ${first}`)
  t.equal(resumed, '1')
  t.same(
    readdirSync(join(ben.home, 'bundles')).filter(name => name.includes('-')),
    [],
    'what was fetched for the attempt was taken away'
  )
}

t.test('a pause: another machine goes on from the checkpoint of the one that its owner wants back', async t => {
  await withTrial(async (ada, ben, sweep) => {
    await ada.ask({ method: 'pause', how: 'stop' })
    await finishesFromCheckpoint(t, ben, sweep)
  })
})

t.test('down: a machine stays until another one has the checkpoint, then it is gone', async t => {
  await withTrial(async (ada, ben, sweep) => {
    const began = performance.now()
    await ada.down()
    t.ok(performance.now() - began < 7000, 'and not for longer')
    await finishesFromCheckpoint(t, ben, sweep)
  })
})
