/**
 * Why things happened, as it is drawn; and the commands that ask for it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { EXIT, type ExplainView, type InsightView, type SweepSpec } from '#protocol'
import { drawExplain } from '../../cli/screens/explain-screen.js'
import { drawInsight } from '../../cli/screens/insight-screen.js'
import { drawSweep, progressText } from '../../cli/screens/sweep-screen.js'
import { drawTrial, drawTrials } from '../../cli/screens/trial-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { columnsOf } from '../../cli/terminal/width.js'
import { fakeAgent } from '../helpers/fake-agent.js'
import { sweepSpec } from '../helpers/records.js'
import { runCommand } from '../helpers/run-command.js'
import { NOW, runningTrial, sweepOf, trialOf } from '../helpers/views.js'

const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const drawn = (text: string) => `\n${text}\n`
const METRIC = { name: 'val_loss', goal: 'minimize' } as const
const STOP = { rule: 'asha', unit: 'steps', rung: 9, value: 0.2, threshold: 0.1, rank: 3, of: 7 } as const
const STOPPED = trialOf(4, { state: 'stopped', stop: STOP })
const EXPLAINED: ExplainView = {
  trial: STOPPED,
  metric: METRIC,
  origin: { from: 'proposal', method: 'gp', machineName: 'bob-rig', results: 12, isEarly: false },
  stopping: { rule: 'asha', eta: 3 },
  decisions: [
    { rung: 3, value: 0.3, rank: 2, of: 9, threshold: 0.4, stops: false, isSkipped: false },
    { rung: 9, value: 0.2, rank: 3, of: 7, threshold: 0.1, stops: true, isSkipped: false }
  ],
  compared: {
    of: 8,
    entries: [
      { rank: 1, trial: 1, value: 0.05 },
      { rank: 2, trial: 4, value: 0.2 }
    ]
  }
}

t.test('explain: the parameters, the end, each decision, and what was compared', async t => {
  t.equal(
    drawn(drawExplain(EXPLAINED, sweepOf(), sheet(120))),
    `
trial       #4 of digits
state       stopped at 9, 3 of 7
parameters  learning_rate=0.1571 batch_size=32 epochs=80
they are    proposed by the Gaussian process on bob-rig, from 12 results
it          was stopped early: 0.2 at step 9 was number 3 of 7; one in 3 goes on, here with 0.1 or better

WHAT asha SAID
step  val_loss    rank  at most  so it
   3       0.3  2 of 9      0.4  went on
   9       0.2  3 of 7      0.1  stopped

COMPARED AT step 9, 8 in the log
   trial  val_loss
1     #1      0.05
2     #4       0.2  ← this one
… and 6 more
`
  )
})

t.test('explain: every origin and every state has its words', async t => {
  const told = (change: Partial<ExplainView>) => drawExplain({ ...EXPLAINED, ...change }, sweepOf(), sheet(300))
  t.match(told({ origin: { from: 'file', place: 0, of: 2 } }), "named in the sweep's file, number 1 of 2 there")
  t.match(told({ origin: { from: 'grid', place: 5 } }), 'combination 5 of the grid')
  t.match(told({ origin: { from: 'sobol', place: 5 } }), 'point 5 of the Sobol sequence')
  t.match(told({ origin: { from: 'random', place: 5 }, seed: { number: 2, of: 3 } }), /draw 5 .*; training 2 of 3/)
  t.match(told({ origin: { from: 'one-at-a-time', varied: ['lr'] } }), 'the baseline but for lr')
  t.match(told({ origin: { from: 'one-at-a-time', varied: [] } }), 'the baseline of one at a time')
  t.match(told({ origin: { from: 'nobody-yet' } }), 'proposed when it is claimed')
  t.match(told({ origin: { from: 'nothing' }, trial: trialOf(4, { state: 'infeasible' }) }), 'is never trained')
  t.match(told({ trial: runningTrial(4, 10), nextRung: 27 }), 'it was number 3 of 7 at 9; compared next at step 27')
  const waiting = trialOf(4, { state: 'waiting' })
  t.match(told({ trial: waiting }), 'waits for a device')
  t.match(drawExplain({ ...EXPLAINED, trial: waiting }, sweepOf({ state: 'done' }), sheet()), 'its sweep is over')
  const plateau = trialOf(4, { state: 'stopped', stop: { rule: 'plateau', unit: 'reports', rung: 5, value: 0.2 } })
  t.match(told({ trial: plateau }), 'its val_loss got no better for too long, 0.2 at report 5')
  const attempts = [
    { attempt: 1, machine: 'm', machineName: 'bob-rig', device: 'd', state: 'released', reason: 'owner', seconds: 7 },
    { attempt: 2, machine: 'n', machineName: 'ada', device: 'd', state: 'error', message: 'No module.' }
  ] as const
  t.match(told({ trial: trialOf(4, { attempts }) }), '1  bob-rig, 7s: given back: its owner wanted the device')
  t.match(told({ trial: trialOf(4, { attempts }) }), '2  ada: error. No module.')
})

const SPEC: SweepSpec = sweepSpec({ program: 'train.py', method: 'auto', runCap: 9, trials: [{ x: 2 }] })
const INSIGHT: InsightView = {
  sweep: sweepOf().sweep,
  name: 'digits',
  state: 'done',
  metric: METRIC,
  trials: { total: 60, complete: 40, stoppedEarly: 12, told: 52 },
  best: [{ trial: 4, value: 0.12, parameters: { lr: 0.1 } }],
  importance: [
    { name: 'lr', share: 0.75, low: 0.6, high: 0.9 },
    { name: 'units', share: 0.25, low: 0.1, high: 0.4 }
  ],
  needed: 20,
  bestTrials: 4,
  ranges: [
    {
      name: 'lr',
      low: 1e-4,
      high: 1,
      isLog: true,
      bestLow: 0.1,
      bestHigh: 0.9,
      next: { low: 0.03, high: 1 },
      edge: 'high'
    }
  ],
  warning: { rung: 3, unit: 'steps', correlation: 0.21, trials: 30 },
  diverged: { trials: 6, of: 58, ends: [{ name: 'lr', side: 'above', bound: 0.95, trials: 5 }] },
  outOfMemory: { trials: 0, of: 58, ends: [] },
  next: SPEC
}

t.test('insight: what mattered, where the best lie, where trials failed, what the rule got wrong', async t => {
  t.equal(
    drawn(drawInsight(INSIGHT, sheet())),
    `
sweep   digits
state   done
trials  40 of 60 trained to their end, 12 stopped early
best    val_loss 0.12, trial #4: lr=0.1

WHAT MATTERED
parameter  share                              5-95 %
lr          75 %  ███████████████░░░░░  60 % to 90 %
units       25 %  █████░░░░░░░░░░░░░░░  10 % to 40 %

WHERE THE BEST 4 LIE
parameter  the best    of           try next
lr         0.1 to 0.9  0.0001 to 1  0.03 to 1
lr: the best lie at its end 1; what is above may be better still.

WHERE TRIALS FAILED
6 of 58 trials diverged (10 %): all 5 with lr of 0.95 or more.

EARLY STOPPING
The order by val_loss at step 3 hardly tells the order in the end: rank
correlation 0.21 over 30 trials. Good trials may have been stopped: set a larger
min_steps.
`
  )
})

t.test('insight: with too few trials it says how many are missing', async t => {
  const { importance: _, ...rest } = INSIGHT
  const few = { ...rest, ranges: [], trials: { total: 60, complete: 11, stoppedEarly: 8, told: 19 } }
  t.match(drawInsight(few, sheet()), 'Too early to tell: 1 more ended trial of 20 is needed.')
})

t.test('no line is wider than the terminal', async t => {
  for (const text of [drawExplain(EXPLAINED, sweepOf(), sheet(60)), drawInsight(INSIGHT, sheet(60))])
    for (const line of text.split('\n')) t.ok(columnsOf(line) <= 60, line)
})

t.test('lists and views: where a trial was stopped, and what nobody has proposed yet', async t => {
  const unproposed = trialOf(5, { state: 'waiting', parameters: {}, isUnproposed: true })
  const list = drawTrials([STOPPED, unproposed], 'val_loss', sheet(120))
  t.match(list, 'stopped at 9, 3 of 7')
  const byEpochs = { ...STOPPED, stop: { ...STOP, unit: 'epochs', rung: 0.25 } } as const
  t.match(drawTrials([byEpochs], 'val_loss', sheet(120)), 'stopped at epoch 0.25, 3 of 7')
  t.match(list, 'proposed when it is claimed')
  t.match(drawTrial(unproposed, sweepOf(), sheet()), 'PARAMETERS\nproposed when it is claimed')
  const trials = { total: 24, done: 10, stopped: 5, running: 0, waiting: 9, failed: 0 }
  const sweep = sweepOf({
    trials,
    stoppedEarly: 4,
    diverged: 0,
    stopping: { rule: 'asha', eta: 3 },
    target: { value: 0.1, isReached: true },
    budget: { gpuSeconds: 3600, spentSeconds: 900 },
    wallTime: { ms: 28_800_000 },
    submittedAt: sheet().now - 3_600_000
  })
  t.equal(progressText(sweep), '10 of 24 done, 9 waiting, 4 stopped early, 1 stopped')
  const view = drawSweep(sweep, sheet(120))
  t.match(view, /stopping\s+asha: 4 of 24 stopped early/)
  t.match(view, /target\s+0\.1, reached/)
  t.match(view, /budget\s+15m of 1h of devices, 25 %/)
  t.match(view, /wall time\s+8h from when it was submitted, 7h left/)
  t.match(drawSweep({ ...sweep, untoldUnit: 'epochs' }, sheet(120)), /It stops nothing: no trial told its epochs\./)
  t.match(drawSweep({ ...sweep, state: 'done' }, sheet(120)), /submitted\n/, 'it was over before')
  const ended = (hours: number) =>
    drawSweep({ ...sweep, state: 'done', wallTime: { ms: hours * 3_600_000, saidBy: 'bo' } }, sheet(120))
  t.match(ended(1), /10 of 24 done, 9 never begun[\s\S]*wall time\s+1h from when it was submitted, over\n/)
  t.match(ended(8), /submitted, over 7h early by the clock of bo\n/)
})

t.test('trial explain and sweep insight ask the agent, and --json prints what it said', async t => {
  const { home, asked } = await fakeAgent(t, { sweep: sweepOf(), explain: EXPLAINED, insight: INSIGHT })
  const explained = await runCommand(['trial', 'explain', 'digits', '#4'], { home })
  t.match(explained.stdout, 'WHAT asha SAID')
  t.match(asked.at(-1), { method: 'explain', sweep: sweepOf().sweep, trial: 4 })
  const json = await runCommand(['trial', 'explain', 'digits', '4', '--json'], { home })
  t.same(JSON.parse(json.stdout), EXPLAINED)
  const insight = await runCommand(['sweep', 'insight', 'digits'], { home })
  t.match(insight.stdout, 'A NEXT SWEEP')
  t.match(insight.stdout, 'trials:\n  - {x: 2}')
  t.same(JSON.parse((await runCommand(['sweep', 'insight', 'digits', '--json'], { home })).stdout), INSIGHT)
})

t.test('--write makes a file that `check` takes, and never writes over one', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const answers: Record<string, unknown> = { insight: INSIGHT }
  const { home } = await fakeAgent(t, answers)
  const path = join(folder, 'next.yaml')
  const write = () => runCommand(['sweep', 'insight', 'digits', '--write', path], { home })
  t.equal((await write()).status, EXIT.done)
  const text = await readFile(path, 'utf8')
  t.match(text, '# After digits')
  await writeFile(join(folder, 'train.py'), '')
  t.match(await runCommand(['check', path]), { status: EXIT.done, stdout: /^sweep\s+lora/ })
  const again = await write()
  t.equal(again.status, EXIT.usage)
  t.match(again.stderr, 'it is there already')
  t.equal(await readFile(path, 'utf8'), text)
  const { next: _, ...without } = INSIGHT
  answers['insight'] = without
  t.match(
    (await runCommand(['sweep', 'insight', 'x', '--write', `${path}2`], { home })).stderr,
    'no next sweep to write'
  )
})
