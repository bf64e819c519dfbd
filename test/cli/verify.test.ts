/**
 * `verify` from outside: what its process says, what a person reads, and the exit status.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { VerifyCheck, VerifyView } from '#protocol'
import { drawVerify } from '../../cli/screens/verify-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { runVerify } from '../../cli/verify-process.js'
import { emptyHome } from '../helpers/fake-agent.js'

const sheet = { columns: 80, style: PLAIN_STYLE, now: 0 }
const never = new AbortController().signal
const SOUND: VerifyCheck = { name: 'modes', verdict: 'ok', detail: '7 files are for their owner alone.' }

function viewOf(...checks: VerifyCheck[]): VerifyView {
  return { home: '/home/ada', digest: 'd'.repeat(64), logs: 2, records: 1204, checks, bytes: { store: 3 * 2 ** 20 } }
}

/** Returns a program that prints what it is told, in place of the agent's. */
async function programOf(t: Test, text: string): Promise<{ home: string; program: string }> {
  const home = await emptyHome(t)
  const program = join(home, 'program.mjs')
  writeFileSync(program, text)
  return { home, program }
}

t.test('runVerify: tells how far it is, then what was found', async t => {
  const lines = [{ progress: 'Reading log 1 of 2 …' }, { found: viewOf(SOUND) }].map(line => JSON.stringify(line))
  const { home, program } = await programOf(
    t,
    `if (process.argv[2] !== 'verify' || !process.env.HYPERSWEEP_HOME) throw new Error('asked wrongly')
    console.log(${JSON.stringify(['a library says hello', ...lines].join('\n'))})`
  )
  const told: string[] = []
  const view = await runVerify({ home, program, signal: never, onProgress: what => told.push(what) })
  t.same(view, viewOf(SOUND))
  t.same(told, ['Reading log 1 of 2 …'])
})

t.test('runVerify: the reason of the program is the error; a crash tells its last words', async t => {
  const error = { code: 'STORE_IN_USE', message: 'The pool is open in another process.', hint: 'Stop it.' }
  const refused = await programOf(t, `console.log(${JSON.stringify(JSON.stringify({ error }))}); process.exitCode = 1`)
  await t.rejects(runVerify({ ...refused, signal: never, onProgress: () => undefined }), error)
  const crashed = await programOf(t, `throw new Error('out of memory')`)
  await t.rejects(runVerify({ ...crashed, signal: never, onProgress: () => undefined }), {
    code: 'AGENT_FAILED',
    hint: /out of memory/
  })
})

t.test('runVerify: an interruption ends the process', async t => {
  const told = JSON.stringify(JSON.stringify({ progress: 'Reading log 1 of 2 …' }))
  const { home, program } = await programOf(t, `console.log(${told}); setInterval(() => undefined, 1000)`)
  const ending = new AbortController()
  const onProgress = () => ending.abort(new Error('enough'))
  await t.rejects(runVerify({ home, program, signal: ending.signal, onProgress }), { message: 'enough' })
})

t.test('verify: a word for each verdict, what to do about what is wrong, and what all takes', async t => {
  const wrong: VerifyCheck = { name: 'results', verdict: 'wrong', detail: '1 result cannot be read.', hint: 'Move it.' }
  const found: VerifyCheck = { name: 'holes', verdict: 'found', detail: '3 places cannot be read; they are skipped.' }
  t.equal(
    `\n${drawVerify(viewOf(SOUND, found, wrong), sheet)}\n`,
    `
ok       modes    7 files are for their owner alone.
found    holes    3 places cannot be read; they are skipped.
wrong    results  1 result cannot be read.
                  Move it.

2 logs, 1,204 records; store 3.0 MiB
digest ${'d'.repeat(64)}
1 thing is wrong.
`
  )
  t.match(drawVerify(viewOf(SOUND), sheet), /\nAll is sound\.$/)
  t.match(drawVerify(viewOf(SOUND, found), sheet), /\nAll is sound; 1 to know about\.$/)
})
