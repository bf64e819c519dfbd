/**
 * What a person at a terminal is asked and told: before a command acts, and while it waits.
 */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { EXIT } from '#protocol'
import { runCli } from '../../cli/app.js'
import { fakeAgent } from '../helpers/fake-agent.js'
import { sweepOf } from '../helpers/views.js'

/** Runs a command as from a keyboard: the answer is typed when it is asked for; `ending`: what ends a wait. */
async function typed(words: readonly string[], home: string, answer: string, ending?: AbortController) {
  const { signal } = ending ?? new AbortController()
  let [stdout, stderr, isAsked] = ['', '', false]
  const terminal = () => Object.assign(new PassThrough(), { isTTY: true, columns: 200 })
  const [stdin, output, messages] = [terminal(), terminal(), terminal()]
  output.on('data', chunk => {
    stdout += chunk
  })
  messages.on('data', chunk => {
    stderr += chunk
    if (stderr.includes('No answer yet')) ending?.abort()
    if (!isAsked && stderr.includes('[y/N]')) {
      isAsked = true
      stdin.write(`${answer}\n`)
    }
  })
  const streams = { stdin, stdout: output, stderr: messages, env: { HYPERSWEEP_HOME: home, NO_COLOR: '1' } }
  const status = await runCli(words, streams as unknown as NodeJS.Process, signal)
  return { status, stdout, stderr, isAsked }
}

t.test('sweep stop: asks first, and stops the very sweep that it showed', async t => {
  const agent = await fakeAgent(t, { sweep: sweepOf(), stop: sweepOf({ state: 'stopped' }) })
  const refused = await typed(['sweep', 'stop', 'digits'], agent.home, 'n')
  t.match(refused.stderr, '14 of 24 done. 2 trials that run now would end without a result.')
  t.match(refused.stderr, 'Nothing was stopped.')
  t.equal(refused.status, EXIT.refused)
  t.same(agent.asked, [{ method: 'sweep', sweep: 'digits' }])
  const wanted = await typed(['sweep', 'stop', 'digits'], agent.home, 'yes')
  t.match(wanted.stdout, 'stopped: 14 of 24 had a result.')
  t.equal(wanted.status, EXIT.done)
  t.same(agent.asked.at(-1), { method: 'stop', sweep: sweepOf().sweep })
  t.notOk((await typed(['sweep', 'stop', 'digits', '--yes'], agent.home, 'n')).isAsked)
})

t.test('approve: the files stand above the question, and a no approves nothing', async t => {
  const files = [{ path: 'train.mjs', bytes: 2048, executable: true }]
  const agent = await fakeAgent(t, { sweep: sweepOf({ approval: 'waiting' }), files, approve: sweepOf() })
  const { status, stderr } = await typed(['approve', 'digits'], agent.home, '')
  t.match(stderr, /train\.mjs {2}\(executable\)\n(.*\n)*.*Run this command with these files on this machine\? \[y\/N\]/)
  t.match(stderr, 'Nothing was approved.')
  t.equal(status, EXIT.refused)
  t.same(
    agent.asked.map(({ method }) => method),
    ['sweep', 'files']
  )
})

t.test('join: a wait for the machine that made the invite is told', async t => {
  const agent = await fakeAgent(t, {})
  const { status, stderr } = await typed(['join', 'hs1xyz'], agent.home, '', new AbortController())
  t.match(stderr, /^No answer yet from the machine that made the invite\. It must be on/)
  t.equal(status, EXIT.interrupted)
  t.same(agent.asked, [{ method: 'join', invite: 'hs1xyz' }])
})
