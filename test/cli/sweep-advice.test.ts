/**
 * Sweeps that do not go well, and what is shown before an approval.
 */
import t from 'tap'
import { drawApproval, drawFiles } from '../../cli/screens/approval-screen.js'
import { drawBest } from '../../cli/screens/best-screen.js'
import { afterSweep } from '../../cli/screens/sweep-advice.js'
import { drawSweep, drawSweeps } from '../../cli/screens/sweep-screen.js'
import { drawWatch } from '../../cli/screens/watch-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { NOW, OVERVIEW, runningTrial, sweepOf, trialOf } from '../helpers/views.js'

const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const FOCUS = { sweep: sweepOf(), running: [runningTrial(17, 41)], best: [trialOf(4), trialOf(7), trialOf(9)] }

t.test('approval: the command with its quotes, and the first files with their sizes', async t => {
  const sweep = sweepOf({ command: ['bash', '-c', 'rm -rf ~', ''] })
  t.match(drawApproval(sweep, sheet()), /author +ada\ncommand {2}bash -c "rm -rf ~" ""\nprogram {2}train\.mjs\n/)
  const files = Array.from({ length: 22 }, (_, i) => ({ path: `f${i}.py`, bytes: 100 * i, executable: i === 2 }))
  const lines = drawFiles(files).split('\n')
  t.equal(lines.length, 21)
  t.same([lines[2], lines[20]], ['    200 B  f2.py  (executable)', '  and 2 more'])
})

const BARREN = { total: 4, done: 1, stopped: 0, running: 0, waiting: 0, failed: 3 }

t.test('a sweep that is over without a result does not look like one that went well', async t => {
  const { best: _, ...rest } = sweepOf({ state: 'done', trials: BARREN, diverged: 1 })
  t.match(drawSweeps([rest], sheet()), /digits {2}done, no result/)
  t.match(drawSweep(rest, sheet()), /trouble +no trial has a result: 3 failed, 1 diverged/)
  t.match(drawBest({ sweep: rest, trials: [] }, sheet()), 'No trial has a result: 3 failed, 1 diverged.')
  t.same(afterSweep(rest, 'best'), ['hypersweep trial list 3f2a9c1b', 'no trial has a result: 3 failed, 1 diverged'])
  t.equal(afterSweep({ ...rest, state: 'failed' }, 'list')[0], 'hypersweep sweep view 3f2a9c1b')
  t.equal(afterSweep({ ...rest, state: 'failed' }, 'view')[0], 'hypersweep trial list 3f2a9c1b')
  t.equal(afterSweep({ ...rest, state: 'running' }, 'best')[0], 'hypersweep watch 3f2a9c1b')
  t.equal(afterSweep(sweepOf({ state: 'done' }), 'list')[0], 'hypersweep best 3f2a9c1b')
})

t.test('a sweep that no machine runs says why, as far as it is known', async t => {
  const lastFailure = { trial: 3, machine: 'bob-rig', class: 'environment', message: 'No module named torch' }
  const idle = sweepOf({ runners: [], lastFailure })
  t.match(drawSweeps([idle], sheet()), 'runs nowhere')
  t.match(
    drawSweep(idle, sheet(200)),
    /trouble .*environment failed on bob-rig\. There, activate .*submit the sweep again/
  )
  t.match(
    drawSweep(sweepOf({ runners: [], approval: 'waiting' }), sheet(200)),
    /trouble .*here it needs `hypersweep app/
  )
  t.same(afterSweep(idle, 'list'), ['hypersweep sweep view 3f2a9c1b', 'see why'])
  t.match(drawWatch({ ...OVERVIEW, focus: { ...FOCUS, sweep: idle } }, sheet(), 40), 'environment failed on bob-rig')
  t.notMatch(drawSweep(sweepOf(), sheet()), 'trouble')
})

t.test('a sweep whose requirements this machine does not meet says so, and why it runs nowhere', async t => {
  const unmet = 'it lacks the package peft'
  t.match(
    drawSweep(sweepOf({ unmet }), sheet(200)),
    /here +approved, files ready; takes no trials of it: it lacks the pack/
  )
  t.notMatch(drawSweep(sweepOf({ unmet }), sheet(200)), 'trouble')
  const idle = sweepOf({ unmet, runners: [] })
  t.match(
    drawSweep(idle, sheet(200)),
    /trouble +no machine runs it; this one takes no trials of it: it lacks the package/
  )
  t.same(afterSweep(idle, 'list'), ['hypersweep sweep view 3f2a9c1b', 'see why'])
})

t.test('watch: a trial whose machine is not heard says so; the frame that stays names no key', async t => {
  const attempt = { machine: 'b', machineName: 'bob-rig', device: 'GPU-1' }
  const {
    step: _,
    steps: __,
    value: ___,
    seconds: ____,
    ...silent
  } = runningTrial(18, 1, {
    curve: [],
    attempts: [{ ...attempt, attempt: 1, state: 'silent' }]
  })
  const again = runningTrial(17, 41, {
    attempts: [
      { ...attempt, attempt: 1, state: 'silent' },
      { ...attempt, attempt: 2, state: 'running' }
    ]
  })
  const frame = drawWatch({ ...OVERVIEW, focus: { ...FOCUS, running: [again, silent] } }, sheet(), 40, '')
  t.match(frame, /#18 {2}bob-rig +silent +- /)
  t.match(frame, /#17 {2}bob-rig +█/)
  t.notMatch(frame, 'q quits')
})
