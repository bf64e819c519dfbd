/**
 * `pause` and `resume`: what the agent is asked, and what their owner reads.
 */
import t from 'tap'
import { EXIT, type PausesView, PoolError } from '#protocol'
import { drawPaused, drawResumed, untilText } from '../../cli/screens/pause-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { fakeAgent } from '../helpers/fake-agent.js'
import { runCommand } from '../helpers/run-command.js'
import { NOW, pausesOf } from '../helpers/views.js'

const HOUR_MS = 3_600_000
const sheet = { columns: 80, style: PLAIN_STYLE, now: NOW }
const paused = (change: Partial<PausesView>, how: 'stop' | 'now' | 'finish' = 'stop') =>
  drawPaused(pausesOf(change), how, sheet)

t.test('pause asks for time for a checkpoint, unless it is told otherwise', async t => {
  const agent = await fakeAgent(t, { pause: pausesOf() })
  const words = ['', '2h', '1h30m --now', '--finish', '90m --device GPU-1']
  for (const each of words) await runCommand(['pause', ...each.split(' ').filter(word => word !== '')], agent)
  t.same(agent.asked, [
    { method: 'pause', how: 'stop' },
    { method: 'pause', how: 'stop', forMs: 2 * HOUR_MS },
    { method: 'pause', how: 'now', forMs: 1.5 * HOUR_MS },
    { method: 'pause', how: 'finish' },
    { method: 'pause', how: 'stop', device: 'GPU-1', forMs: 1.5 * HOUR_MS }
  ])
})

t.test('pause tells what becomes of what ran, and the command that ends it', async t => {
  const { home } = await fakeAgent(t, { pause: pausesOf({ ending: 2 }), resume: pausesOf({ pauses: [] }) })
  const { stdout, stderr, status } = await runCommand(['pause'], { home })
  const fate = '2 attempts end after their time for a checkpoint; their trials go back to the pool.'
  t.equal(stdout, `ada-desktop takes no work until it is resumed.\n${fate}\n`)
  t.equal(stderr, 'next: hypersweep resume  let it work again\n')
  t.equal(status, EXIT.done)
  const resumed = await runCommand(['resume'], { home })
  t.equal(resumed.stdout, 'ada-desktop takes work again.\n')
  t.equal(resumed.stderr, 'next: hypersweep watch  see it work\n')
})

t.test('--json prints exactly the view, of both', async t => {
  const view = pausesOf({ pauses: [{ device: 'GPU-1\u001b[2J', untilMs: NOW }], ending: 1 })
  const { home } = await fakeAgent(t, { pause: view, resume: view })
  for (const name of ['pause', 'resume']) {
    const { stdout, stderr } = await runCommand([name, '--json'], { home })
    t.same([JSON.parse(stdout), stderr], [view, ''], name)
  }
})

t.test('what is still paused is told after a resume, with the command that ends it', async t => {
  const pauses = [{ device: 'GPU-1' }, { device: "b'c" }]
  const agent = await fakeAgent(t, { resume: pausesOf({ pauses }), pause: pausesOf({ pauses: pauses.slice(1) }) })
  const { stdout, stderr } = await runCommand(['resume', '--device', 'RTX 3060'], agent)
  t.match(stdout, /^GPU-1 of ada-desktop is still paused, until it is resumed\.\nb'c of /)
  t.equal(stderr, 'next: hypersweep resume --device GPU-1  end this pause, too\n')
  t.same(agent.asked, [{ method: 'resume', device: 'RTX 3060' }])
  t.match((await runCommand(['pause'], agent)).stderr, String.raw`hypersweep resume --device 'b'\''c'`)
})

t.test('a wrong duration, both ways at once, and a device that is not there', async t => {
  const { home } = await fakeAgent(t, { pause: new PoolError('NOT_FOUND', 'This machine has no device "x".') })
  const cases: [words: string[], status: number, told: RegExp][] = [
    [['2'], EXIT.usage, /error: "2" is no duration from 1s to 90d\.\nhint: Write 90m or 2h/],
    [['10ms'], EXIT.usage, /"10ms" is no duration from 1s to 90d\./],
    [['--now', '--finish'], EXIT.usage, /killed --now, or left to --finish; not both\.\nhint: Without either/],
    [['--device', 'x'], EXIT.notFound, /no device "x"/]
  ]
  for (const [words, status, told] of cases) {
    const ran = await runCommand(['pause', ...words], { home })
    t.match(ran.stderr, told)
    t.same([ran.status, ran.stdout], [status, ''])
  }
})

t.test('what becomes of attempts, for each way', async t => {
  t.match(paused({ ending: 1 }), /\n1 attempt ends after its time for a checkpoint; its trial goes back to the pool\.$/)
  t.match(paused({ ending: 1 }, 'now'), /\n1 attempt ends at once; its trial goes back to the pool\.$/)
  t.match(paused({ ending: 3 }, 'now'), /\n3 attempts end at once; their trials go back to the pool\.$/)
  t.match(paused({}), /\nNothing was running there\.$/)
  t.match(paused({}, 'finish'), /\nWhat runs there ends by itself; nothing new begins\.$/)
  t.equal(drawResumed(pausesOf({ pauses: [] }), sheet), 'ada-desktop takes work again.')
})

t.test('until when: on the clock of whoever looks, with the day where it is another one', async t => {
  const midday = new Date(NOW).setHours(12, 0, 0, 0)
  const until = (hours: number) => untilText({ untilMs: midday + hours * HOUR_MS }, midday)
  t.equal(until(2), 'until 14:00, for 2h')
  t.equal(until(1.5), 'until 13:30, for 1h 30m')
  t.match(until(26), /^until \d{4}-\d\d-\d\d \d\d:00, for 1d 2h$/)
  t.equal(untilText({ untilMs: midday + 20_000 }, midday), 'until 12:00, for 1m')
  t.equal(untilText({}, midday), 'until it is resumed')
})
