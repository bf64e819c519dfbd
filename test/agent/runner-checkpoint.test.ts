/**
 * The runner and checkpoints that travel: what is packed at an attempt's end, and what a program finds at its start.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AttemptSpec, Exit, StopReason } from '../../agent/ports.js'
import { createRunner } from '../../agent/runner/runner.js'
import { BUNDLE, sweepSpec } from '../helpers/records.js'

/** Says what it found, saves something, and waits for its end, or ends well. */
const TRAIN = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
const file = process.env.HYPERSWEEP_CHECKPOINT + '/state'
console.log('found', existsSync(file) ? readFileSync(file, 'utf8') : 'nothing', process.env.HYPERSWEEP_RESUME)
writeFileSync(file, 'mine')
console.log(JSON.stringify({ step: 1, loss: 0.5 }))
if (process.env.HYPERSWEEP_PARAM_WAITS) setInterval(() => {}, 1000)
`

function open(t: Test) {
  const home = t.testdir({ bundles: { code: { 'train.mjs': TRAIN }, 'sweep-0-2': { state: 'theirs' } }, attempts: {} })
  const packed: string[] = []
  let tellReport = () => {}
  let tellExit = (_: Exit) => {}
  const runner = createRunner({
    folder: join(home, 'attempts'),
    bundleFolder: name => join(home, 'bundles', name),
    stopGraceMs: 2000,
    onReport: () => tellReport(),
    onExit: (_, exit) => tellExit(exit),
    pack: async folder => {
      packed.push(readFileSync(join(folder, 'state'), 'utf8'))
      return BUNDLE
    }
  })
  t.teardown(() => runner.close())
  const run = async (changes: Partial<AttemptSpec>, reason?: StopReason) => {
    const attempt = attemptOf(changes)
    const reported = new Promise<void>(resolve => {
      tellReport = resolve
    })
    const ended = new Promise<Exit>(resolve => {
      tellExit = resolve
    })
    runner.start(attempt)
    if (reason) await reported.then(() => runner.stop(attempt.id, reason))
    const exit = await ended
    return { exit, text: await runner.tail(attempt.id) }
  }
  return { home, packed, run }
}

function attemptOf(changes: Partial<AttemptSpec>): AttemptSpec {
  const spec = sweepSpec({ command: [process.execPath, 'train.mjs'] })
  return {
    ...{ id: 'sweep-0-1', sweep: 'sweep', trial: 0, attempt: 1, spec, parameters: {}, seed: 1, bundleDigest: 'code' },
    ...{ device: 'cpu', environment: {}, resume: false },
    ...changes
  }
}

t.test('what was saved is packed when the owner wants the device, and told with the end', async t => {
  const { packed, run } = open(t)
  for (const reason of ['owner', 'agent-closing'] as const) {
    const { exit } = await run({ parameters: { waits: 1 } }, reason)
    t.match(exit, { class: 'released', checkpoint: BUNDLE })
  }
  t.same(packed, ['mine', 'mine'], 'once the program has ended')
  const { exit } = await run({ parameters: { waits: 1 } }, 'lost-claim')
  t.equal(exit.checkpoint, undefined, 'another machine trains it')
  t.equal((await run({})).exit.checkpoint, undefined, 'a complete one needs none')
  t.equal(packed.length, 2)
})

t.test('a checkpoint that came from elsewhere is moved to where the program looks for it', async t => {
  const { home, run } = open(t)
  mkdirSync(join(home, 'attempts', 'sweep-0-2', 'checkpoint'), { recursive: true })
  writeFileSync(join(home, 'attempts', 'sweep-0-2', 'checkpoint', 'old'), '')
  const id = 'sweep-0-2'
  const { text } = await run({ id, attempt: 2, resume: true, checkpoint: id })
  t.match(text, /found theirs 1/)
  t.notOk(existsSync(join(home, 'bundles', id)))
  t.notOk(existsSync(join(home, 'attempts', id, 'checkpoint', 'old')), 'and nothing else is there')
  t.match((await run({ id: 'sweep-0-3' })).text, /found nothing 0/)
})
