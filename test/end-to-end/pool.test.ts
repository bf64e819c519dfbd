/**
 * Whole journeys with real processes: a pool is made as a user would, and what goes wrong is told clearly.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Lab, makePool, openLab, type RunningAgent, until } from '../helpers/agents.js'

/** A program that reports a loss ten times, 50 ms apart, and keeps a checkpoint. */
const TRAIN = `
import { readFileSync, writeFileSync } from 'node:fs'
const { x } = JSON.parse(readFileSync(process.env.HYPERSWEEP_PARAMETERS, 'utf8'))
const path = process.env.HYPERSWEEP_CHECKPOINT + '/step'
let from = 0
try { from = Number(readFileSync(path, 'utf8')) } catch {}
console.log('begins at', from)
for (let step = from + 1; step <= 10; step++) {
  console.log(JSON.stringify({ step, steps: 10, loss: (x - 3) ** 2 + 1 / step }))
  writeFileSync(path, String(step))
  await new Promise(resolve => setTimeout(resolve, Number(process.env.HYPERSWEEP_PARAM_PAUSE)))
}
`

function writeSweep(folder: string, changes: Readonly<Record<string, string>> = {}): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'train.mjs'), TRAIN)
  const { metric = 'loss', x = '[1, 2, 3, 4]', pause = '20' } = changes
  const path = join(folder, 'sweep.yaml')
  writeFileSync(
    path,
    `name: parabola\ncommand: [node, "\${program}"]\nprogram: train.mjs\nmethod: grid\nlease: 4s\nmetric: {name: ${metric}, goal: minimize}\nparameters:\n  x: {values: ${x}}\n  pause: {value: ${pause}}\n`
  )
  return path
}

async function withLab(body: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab()
  try {
    await body(lab)
  } finally {
    await lab.close()
  }
}

async function isDone(agent: RunningAgent, sweep: string): Promise<boolean> {
  return (await agent.ask({ method: 'sweep', sweep })).state !== 'running'
}

t.test('a pool made by the commands runs a sweep, and both machines see the same losses', async t => {
  await withLab(async lab => {
    t.equal((await lab.type('ada', ['init', '--name', 'club'])).status, 0)
    t.equal((await lab.type('ada', ['up'])).status, 0)
    const invite = (await lab.type('ada', ['invite'])).out.trim()
    const joined = await lab.type('ben', ['join', invite])
    t.equal(joined.status, 0, joined.err)
    t.equal((await lab.type('ben', ['up'])).status, 0)
    t.match((await lab.type('ben', ['up'])).err, /running on this home already/)
    const submitted = await lab.type('ada', ['submit', writeSweep(join(lab.folder, 'sweep'))])
    t.equal(submitted.status, 0, submitted.err)
    const waiting = async () => JSON.parse((await lab.type('ben', ['sweep', 'list', '--json'])).out)
    await until('ben knows the sweep', async () => (await waiting()).length === 1)
    t.equal((await waiting())[0].approval, 'waiting', 'nothing runs before its owner approved it')
    t.equal((await lab.type('ben', ['approve', 'parabola', '--yes'])).status, 0)
    const watched = await lab.type('ben', ['watch', 'parabola', '--until-done'])
    t.match(watched.out, /4 of 4 done/)
    const best = JSON.parse((await lab.type('ben', ['best', '--json'])).out)
    t.equal(best.trials[0].parameters.x, 3)
    t.equal(best.trials[0].value, 0.1)
    const hashes = async () =>
      Promise.all(
        ['ada', 'ben'].map(async name => JSON.parse((await lab.type(name, ['status', '--json'])).out).poolHash)
      )
    await until('both agree', async () => new Set(await hashes()).size === 1)
    for (const name of ['ada', 'ben']) t.equal((await lab.type(name, ['down'])).status, 0)
    t.equal((await lab.type('ada', ['status'])).status, 3, 'exit status 3: no agent is running')
  })
})

t.test('an agent that is stopped and started again goes on, and has lost nothing', async t => {
  await withLab(async lab => {
    const [alone] = await makePool(lab, ['solo'])
    if (!alone) throw new Error('The pool has a machine.')
    const folder = join(lab.folder, 'sweep')
    writeSweep(folder)
    const { spec } = await specOf(writeSweep(folder))
    const { sweep } = await alone.ask({ method: 'submit', spec, folder })
    await until('one trial is done', async () => (await alone.ask({ method: 'sweep', sweep })).trials.done >= 1)
    const before = await alone.ask({ method: 'trials', sweep, limit: 10 })
    await alone.down()
    const again = await lab.start('solo')
    await until('the sweep is done', () => isDone(again, sweep))
    const after = await again.ask({ method: 'trials', sweep, limit: 10 })
    for (const trial of before.filter(each => each.state === 'complete')) {
      t.same(after[trial.trial]?.value, trial.value, `trial ${trial.trial} keeps its result`)
    }
    t.ok(after.every(trial => trial.state === 'complete'))
  })
})

t.test('an agent that is killed goes on with its attempt from the checkpoint, under a fresh log (C7, L6)', async t => {
  await withLab(async lab => {
    const [alone] = await makePool(lab, ['solo'])
    if (!alone) throw new Error('The pool has a machine.')
    const folder = join(lab.folder, 'sweep')
    const { spec } = await specOf(writeSweep(folder, { x: '[3]', pause: '300' }))
    const { sweep } = await alone.ask({ method: 'submit', spec, folder })
    await until('it is at step 3', async () => ((await alone.ask({ method: 'trial', sweep, trial: 0 })).step ?? 0) >= 3)
    await alone.kill()
    const again = await lab.start('solo')
    await until('the sweep is done', () => isDone(again, sweep))
    const trial = await again.ask({ method: 'trial', sweep, trial: 0 })
    t.equal(trial.attempts.length, 1, 'the same attempt went on')
    const { text } = await again.ask({ method: 'logs', sweep, trial: 0 })
    t.match(text, /begins at [1-9]/, 'from its checkpoint')
    t.match(readFileSync(join(again.home, 'agent.log'), 'utf8'), /"incarnation":2/)
  })
})

t.test('invites: used once, told why not the second time; nonsense and a dead network are told apart', async t => {
  await withLab(async lab => {
    const [ada] = await makePool(lab, ['ada'])
    const { text = '' } = (await ada?.ask({ method: 'invite' })) ?? {}
    t.equal((await lab.type('ben', ['join', text])).status, 0)
    const second = await lab.type('eve', ['join', text])
    t.equal(second.status, 5)
    t.match(second.err, /used already/)
    const nonsense = await lab.type('eve', ['join', 'hello'])
    t.equal(nonsense.status, 2)
    t.match(nonsense.err, /This is no invite/)
    const nowhere = await lab.type('eve', ['join', text.replace(/@.*/, '@127.0.0.1:1')])
    t.equal(nowhere.status, 6)
    t.match(nowhere.err, /No DHT node answers at 127\.0\.0\.1:1/)
    const again = await lab.type('ben', ['join', text])
    t.match(again.err, /in the pool "lab" already/)
  })
})

t.test('a metric that the program never prints is told with those that it does print', async t => {
  await withLab(async lab => {
    const [ada] = await makePool(lab, ['ada'])
    if (!ada) throw new Error('The pool has a machine.')
    const folder = join(lab.folder, 'sweep')
    const { spec } = await specOf(writeSweep(folder, { metric: 'los' }))
    const { sweep } = await ada.ask({ method: 'submit', spec, folder })
    await until('the sweep is given up', () => isDone(ada, sweep))
    const view = await ada.ask({ method: 'sweep', sweep })
    t.equal(view.state, 'failed', 'it failed from the start, so no more electricity is burnt')
    t.match(view.lastFailure?.message, /printed loss.*never "los".*Did you mean "loss"/)
  })
})

t.test('a folder with a link, an odd name or too much in it is refused, all at once', async t => {
  await withLab(async lab => {
    const [ada] = await makePool(lab, ['ada'])
    const folder = join(lab.folder, 'sweep')
    const { spec } = await specOf(writeSweep(folder))
    symlinkSync('/etc/passwd', join(folder, 'passwords'))
    writeFileSync(join(folder, 'con'), '')
    writeFileSync(join(folder, 'big.bin'), Buffer.alloc(65 * 2 ** 20))
    const refused = await ada?.ask({ method: 'submit', spec, folder }).catch((error: Error) => error)
    t.match((refused as Error).message, /"passwords" is a link/)
    t.match((refused as Error).message, /Windows takes for a device/)
    t.match((refused as Error).message, /64 MiB is the limit/)
    t.same(await ada?.ask({ method: 'sweeps' }), [], 'nothing was sent')
  })
})

async function specOf(path: string) {
  const { readSweepText } = await import('../../cli/sweep-file.js')
  return readSweepText(readFileSync(path, 'utf8'), path)
}
