/**
 * What people see: each view as it is drawn, without colours.
 */
import t from 'tap'
import { drawApproval } from '../../cli/screens/approval-screen.js'
import { drawBest } from '../../cli/screens/best-screen.js'
import { createCurveMemory } from '../../cli/screens/curve-memory.js'
import { drawDoctor } from '../../cli/screens/doctor-screen.js'
import { drawLogLine } from '../../cli/screens/log-line.js'
import { drawMachines } from '../../cli/screens/machine-screen.js'
import { afterStatus, drawStatus } from '../../cli/screens/status-screen.js'
import { drawSweep, drawSweeps, progressText, shareDone } from '../../cli/screens/sweep-screen.js'
import { drawWatch, secondsLeft, summaryLine } from '../../cli/screens/watch-screen.js'
import { COLOUR_STYLE, hasColours, PLAIN_STYLE } from '../../cli/terminal/style.js'
import { columnsOf } from '../../cli/terminal/width.js'
import { MACHINES, machineOf, NOW, OVERVIEW, runningTrial, STATUS, sweepOf, trialOf } from '../helpers/views.js'

const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const drawn = (text: string) => `\n${text}\n`
const FOCUS = { sweep: sweepOf(), running: [runningTrial(17, 41)], best: [trialOf(4), trialOf(7), trialOf(9)] }

t.test('best: a ranking, the best trial in full, and a line to copy', async t => {
  t.equal(
    drawn(drawBest({ sweep: sweepOf(), trials: FOCUS.best }, sheet())),
    `
digits 3f2a9c1b  running, 14 of 24 done, 2 running, 7 waiting, 1 failed, 2 diverged

   trial  val_loss  learning_rate  batch_size  machine  time
1     #4      0.12         0.1571          32  bob-rig   16s
2     #7      0.15         0.2513          32  bob-rig   19s
3     #9      0.17         0.3142          16  bob-rig   21s

Best trial #4: val_loss 0.12, on bob-rig in 16s
  learning_rate  0.1571
  batch_size     32
  epochs         80

Other metrics
  train_loss  0.05

  2.32 ┤⢇
       │⢸
       │ ⡇
0.6591 ┤ ⢱
       │  ⢣
       │   ⠣⡀
       │    ⠈⠑⠤⢄⣀⡀
0.1231 ┤         ⠈⠉⠉⠒⠒⠒⠒⠢⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
       └────────────────────────────────────────────────────────────────
        step 1                                        log scale, step 80

Repeat it with
--learning_rate=0.15707962999999997 --batch_size=32 --epochs=80
`
  )
})

t.test('best: with several objectives each trial has its front, and the first one is named', async t => {
  const sweep = sweepOf({ furtherMetrics: [{ name: 'train_loss', goal: 'minimize' }] })
  const trials = [trialOf(4), trialOf(7), trialOf(9)].map((trial, at) => ({ ...trial, front: at < 2 ? 1 : 2 }))
  const lines = drawBest({ sweep, trials, firstFront: 2 }, sheet(140)).split('\n')
  t.same(lines.slice(2, 7), [
    'front  trial  val_loss  train_loss  learning_rate  batch_size  machine  time',
    '    1     #4      0.12        0.05         0.1571          32  bob-rig   16s',
    '    1     #7      0.15        0.05         0.2513          32  bob-rig   19s',
    '    2     #9      0.17        0.05         0.3142          16  bob-rig   21s',
    'Front 1: 2 trials. No other one is as good in all of val_loss, train_loss and better in one.'
  ])
  t.match(lines.join('\n'), /Of these the best in val_loss: trial #4/)
  const untold = { ...sweep, untold: [{ name: 'train_loss', trials: 3 }] }
  t.match(drawBest({ sweep: untold, trials, firstFront: 2 }, sheet()), /3 completed trials never printed "train_loss"/)
  t.match(drawSweep(untold, sheet()), /missing +3 completed trials never printed/)
})

t.test('best: parameters that do not differ, and those without room, are left out of the ranking', async t => {
  const [, , titles] = drawBest({ sweep: sweepOf(), trials: FOCUS.best }, sheet(40)).split('\n')
  t.equal(titles, '   trial  val_loss  learning_rate')
  const [, , alone] = drawBest({ sweep: sweepOf(), trials: [trialOf(4)] }, sheet()).split('\n')
  t.equal(alone, '   trial  val_loss  learning_rate  batch_size  epochs  machine  time')
})

t.test('best: a sweep without a result says so', async t => {
  const text = drawBest(
    {
      sweep: sweepOf({ trials: { total: 4, done: 0, stopped: 0, running: 1, waiting: 3, failed: 0 }, diverged: 0 }),
      trials: []
    },
    sheet()
  )
  t.equal(text, 'digits 3f2a9c1b  running, 0 of 4 done, 1 running, 3 waiting\n\nNo trial has a result yet.')
})

t.test(
  'what was trained twice is told in one line, on every screen of a sweep, and only when something was',
  async t => {
    const line = '2 trainings done twice, by machines that were apart or as backups: 14m'
    const sweep = sweepOf({ repeated: { attempts: 2, seconds: 840 } })
    t.match(drawSweep(sweep, sheet(100)), line)
    t.match(drawBest({ sweep, trials: FOCUS.best }, sheet(100)), line)
    t.match(drawBest({ sweep, trials: [] }, sheet(100)), line)
    t.match(drawWatch({ ...OVERVIEW, focus: { ...FOCUS, sweep } }, sheet(100), 40), line)
    t.match(drawSweep(sweepOf({ repeated: { attempts: 1, seconds: 0 } }), sheet(100)), '1 training done twice')
    const none = [drawSweep(sweepOf(), sheet(100)), drawWatch(OVERVIEW, sheet(100), 40)]
    t.notMatch(none.join(), 'twice')
  }
)

t.test('trials that ended with their sweep are not told as done', async t => {
  const trials = { total: 4, done: 1, stopped: 2, running: 0, waiting: 1, failed: 0 }
  const sweep = sweepOf({ state: 'stopped', trials, diverged: 0 })
  t.equal(progressText(sweep), '1 of 4 done, 1 never begun, 2 stopped')
  t.equal(shareDone(sweep), 0.75)
})

t.test('watch: a frame at 80 columns', async t => {
  t.equal(
    drawn(drawWatch(OVERVIEW, sheet(), 40)),
    `
hypersweep  lab · 2 members · 2 of 3 machines here · online

digits 3f2a9c1b  running  random, minimize val_loss
██████████████████████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
14 of 24 done, 2 running, 7 waiting, 1 failed, 2 diverged, about 52s left

MACHINES
machine        state         trials  devices            busy
ada-desktop *  runs 1 trial  #17     RTX 3060 12.0 GiB  97 %
bob-rig        runs 1 trial  #18     RTX 3060 12.0 GiB  97 %
cy-laptop      away 1h 6m            -

RUNNING
trial  machine      progress     step  val_loss  curve             time
  #17  ada-desktop  █████▏░░░░  41/80    0.1084  ▅▃▂▂▁▁▁▁▁▁▁▁▁▁▁▁   10s
  #18  bob-rig      █▌░░░░░░░░  12/80    0.1529  █▆▄▃▂▂▂▁▁▁▁▁        3s

BEST
   trial  val_loss  learning_rate  batch_size  machine  time
1     #4      0.12         0.1571          32  bob-rig   16s
2     #7      0.15         0.2513          32  bob-rig   19s
3     #9      0.17         0.3142          16  bob-rig   21s

CURVE OF val_loss, trial #4
  2.32 ┤⡇
       │⢸
       │⠘⡄
       │ ⡇
 0.629 ┤ ⢸
       │ ⠈⢆
       │  ⠈⢆
       │   ⠈⠢⢄
       │      ⠉⠢⠤⢄⣀
0.1231 ┤           ⠉⠉⠉⠒⠒⠒⠒⠒⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
       └────────────────────────────────────────────────────────────────
        step 1                                        log scale, step 80

q quits
`
  )
})

t.test('watch: a frame at 40 columns', async t => {
  t.equal(
    drawn(drawWatch(OVERVIEW, sheet(40), 24)),
    `
hypersweep  lab · 2 members · 2 of 3
machines here · online

digits 3f2a9c1b  running  random, minim…
█████████████████████████░░░░░░░░░░░░░░░
14 of 24 done, 2 running, 7 waiting, 1
failed, 2 diverged, about 52s left
MACHINES
machine     state     trials  devices
ada-deskt…  runs 1…   #17     RTX 3060…
… and 2 more
RUNNING
trial  val_loss  curve
  #17    0.1084  ▅▃▂▂▁▁▁▁▁▁▁▁▁▁▁▁
  #18    0.1529  █▆▄▃▂▂▂▁▁▁▁▁
BEST
   trial  val_loss  learning_rate
1     #4      0.12         0.1571
2     #7      0.15         0.2513
3     #9      0.17         0.3142

q quits
`
  )
})

t.test('watch: a frame fits its terminal, however many machines and trials there are', async t => {
  const many = (make: (i: number) => ReturnType<typeof trialOf>) => Array.from({ length: 40 }, (_, i) => make(i))
  const crowd = {
    ...OVERVIEW,
    machines: Array.from({ length: 40 }, (_, i) => machineOf(`machine-with-a-long-name-${i}`)),
    focus: {
      sweep: sweepOf({ approval: 'waiting' }),
      running: many(i => runningTrial(i, 20)),
      best: many(i => trialOf(i))
    }
  }
  for (const [columns, rows] of [
    [80, 24],
    [40, 24],
    [120, 50],
    [30, 12]
  ] as const) {
    const lines = drawWatch(crowd, sheet(columns), rows).split('\n')
    t.ok(lines.length <= rows, `${lines.length} lines in ${rows} rows`)
    t.ok(Math.max(...lines.map(columnsOf)) <= columns, `no line wider than ${columns}`)
  }
})

t.test('watch: without a sweep that runs it shows machines and sweeps', async t => {
  const { focus: _, ...idle } = OVERVIEW
  t.equal(
    drawn(drawWatch(idle, sheet(), 24)),
    `
hypersweep  lab · 2 members · 2 of 3 machines here · online

MACHINES
machine        state         trials           devices            busy
ada-desktop *  runs 1 trial  #17 of 3f2a9c1b  RTX 3060 12.0 GiB  97 %
bob-rig        runs 1 trial  #18 of 3f2a9c1b  RTX 3060 12.0 GiB  97 %
cy-laptop      away 1h 6m                     -

SWEEPS
sweep     name    state     done  best  metric    by   submitted
3f2a9c1b  digits  running  14/24  0.12  val_loss  ada  3m 20s ago

q quits
`
  )
  t.equal(summaryLine(idle), 'no sweep runs, 2 of 3 machines here')
})

t.test('curve memory: a live screen draws what it saw, and begins anew with another attempt', async t => {
  const remember = createCurveMemory()
  const seen = (step: number, value: number) => {
    const running = [runningTrial(17, step, { step, value, curve: [] })]
    return remember({ ...OVERVIEW, focus: { ...FOCUS, running } }).focus?.running[0]?.curve
  }
  seen(1, 0.9)
  seen(1, 0.9)
  t.same(seen(3, 0.5), [
    [1, 0.9],
    [3, 0.5]
  ])
  t.same(seen(2, 0.8), [[2, 0.8]])
  remember({ ...OVERVIEW, focus: { ...FOCUS, running: [] } })
  t.same(seen(4, 0.4), [[4, 0.4]])
})

t.test('summaryLine: one line that changes only when the sweep or the pool does', async t => {
  t.equal(
    summaryLine(OVERVIEW),
    'digits: running, 14 of 24 done, 2 running, 7 waiting, 1 failed, 2 diverged, best val_loss 0.12 (trial #4), 2 of 3 machines here'
  )
})

t.test('secondsLeft: the mean of what ended, shared by what runs', async t => {
  const sweep = sweepOf({
    trials: { total: 10, done: 4, stopped: 0, running: 2, waiting: 4, failed: 0 },
    secondsTrained: 40
  })
  // 6 trials of 10 s, less 4 s and 6 s, by 2.
  t.equal(secondsLeft(sweep, [runningTrial(1, 16), runningTrial(2, 24)]), 25)
  t.equal(secondsLeft(sweepOf({ trials: { ...sweep.trials, done: 0 } }), []), undefined)
})

t.test('status: a few lines, and the command that is useful next', async t => {
  t.equal(
    drawn(drawStatus(STATUS, sheet())),
    `
pool      lab (bbbbbbbb)
members   ada (owner), bob
machine   ada-desktop, of ada
network   online, 1 of 2 other machines connected
sweeps    1 running, 3 done
attempts  1 running here
log       1,204 records, pool hash dddddddd
agent     pid 4242, version 0.1.0, home /home/ada/.local/share/hypersweep
`
  )
  const { pool: _, ...poolless } = STATUS
  t.equal(afterStatus(poolless)[0], 'hypersweep init')
  t.equal(
    afterStatus({ ...STATUS, sweeps: { running: 1, waitingForApproval: 1, done: 0 } })[0],
    'hypersweep sweep list'
  )
  t.equal(afterStatus(STATUS)[0], 'hypersweep watch')
})

t.test('machines: who is here', async t => {
  t.equal(
    drawn(drawMachines(MACHINES, sheet())),
    `
machine        member  state         devices            trials  trained
ada-desktop *  ada     runs 1 trial  RTX 3060 12.0 GiB       9   2m 10s
bob-rig        bob     runs 1 trial  RTX 3060 12.0 GiB       9   2m 10s
cy-laptop      cy      away 1h 6m    -                       9   2m 10s
`
  )
})

t.test('sweeps: all of them, one of them, and what an approval is about', async t => {
  const sweeps = [sweepOf({ approval: 'waiting' }), sweepOf({ name: 'older', state: 'done' })]
  t.equal(
    drawn(drawSweeps(sweeps, sheet())),
    `
sweep     name    state            done  best  metric    by   submitted
3f2a9c1b  digits  needs approval  14/24  0.12  val_loss  ada  3m 20s ago
3f2a9c1b  older   done            14/24  0.12  val_loss  ada  3m 20s ago
`
  )
  const failing = sweepOf({
    approval: 'waiting',
    lastFailure: { trial: 3, machine: 'bob-rig', class: 'oom', message: 'CUDA out of memory' }
  })
  t.equal(
    drawn(drawSweep(failing, sheet())),
    `
sweep         digits (3f2a9c1be07d44418f0b5a6c7d8e9f00)
state         needs approval
trials        14 of 24 done, 2 running, 7 waiting, 1 failed, 2 diverged
              ███████████████░░░░░░░░░
search        random, minimize val_loss
program       train.mjs
command       node \${program} \${args}
files         5 files, 81.5 KiB, digest c0ffee00
submitted     by ada, 3m 20s ago
here          waits for you: hypersweep approve 3f2a9c1b
runs on       ada-desktop, bob-rig
trained       3m 15s in all
best          0.12, trial #4 on bob-rig
last failure  trial #3 on bob-rig: oom. CUDA out of memory
`
  )
  t.match(drawApproval(sweepOf(), sheet(20)), 'c0ffee00'.repeat(8), 'the digest in full on any terminal')
})

t.test('doctor: a word for each verdict, and what to do', async t => {
  const checks = [
    { name: 'node', verdict: 'ok', detail: 'Node.js 20.20.2.' },
    { name: 'home', verdict: 'problem', detail: '/x is not writable.', hint: 'It must belong to you.' }
  ] as const
  t.equal(
    drawn(drawDoctor(checks, sheet())),
    `
ok       node  Node.js 20.20.2.
problem  home  /x is not writable.
               It must belong to you.

1 problem to mend.
`
  )
})

t.test('log lines: time, message and fields; nothing that a terminal obeys', async t => {
  const line =
    '{"level":30,"time":"2026-11-23T14:22:31.000Z","trial":4,"machine":"\\u001b[31mbob","msg":"took a claim"}'
  t.equal(drawLogLine(line, PLAIN_STYLE), '14:22:31 took a claim  trial=4 machine=bob')
  t.equal(drawLogLine('Error: no JSON', PLAIN_STYLE), 'Error: no JSON')
})

t.test('colours: only where they are wanted, and they take no column', async t => {
  t.equal(hasColours({ isTTY: true }, {}), true)
  t.equal(hasColours({ isTTY: false }, {}), false)
  t.equal(hasColours({ isTTY: true }, { NO_COLOR: '1' }), false)
  t.equal(hasColours({ isTTY: true }, { TERM: 'dumb' }), false)
  t.equal(hasColours({ isTTY: false }, { FORCE_COLOR: '1' }), true)
  const coloured = drawWatch(OVERVIEW, { ...sheet(), style: COLOUR_STYLE }, 40)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is taken away.
  t.equal(coloured.replace(/\u001b\[\d+m/g, ''), drawWatch(OVERVIEW, sheet(), 40))
  t.not(coloured, drawWatch(OVERVIEW, sheet(), 40))
})
