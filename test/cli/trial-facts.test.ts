/**
 * What trials took of their devices, what their programs changed, and where they fit: as people see it.
 */
import t from 'tap'
import { drawBest } from '../../cli/screens/best-screen.js'
import { drawTrial } from '../../cli/screens/trial-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { columnsOf } from '../../cli/terminal/width.js'
import { NOW, sweepOf, trialOf } from '../helpers/views.js'

const GIB = 2 ** 30
const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const drawn = (text: string) => `\n${text}\n`

const OOM = {
  attempt: 1,
  machine: 'a',
  machineName: 'ada-desktop',
  device: 'GPU-1',
  state: 'oom' as const,
  seconds: 3,
  usage: { peakBytes: 7.9 * GIB }
}
const COMPLETE = {
  ...OOM,
  ...{ attempt: 2, machine: 'b', machineName: 'bob-rig', state: 'complete' as const, seconds: 16, value: 0.12 },
  usage: { peakBytes: 9.12 * GIB, peakSource: 'process' as const, wattHours: 12.345, utilisation: 0.871 },
  changed: ['the batch size was 4, not 8']
}
const PLACEMENT = [
  { machineName: 'bob-rig', device: 'RTX 3060', fits: true, text: 'about 9.4 GiB needed, 10.5 GiB free' },
  {
    machineName: 'ada-desktop',
    device: 'RTX 3050',
    fits: false,
    text: 'about 9.4 GiB needed, as learned from 3 attempts; it has 8.0 GiB in all'
  }
]
const KNOWN = { curve: [], attempts: [OOM, COMPLETE], placement: PLACEMENT }

t.test('trial view: usage, where it fits, and what its program changed', async t => {
  t.equal(
    drawn(drawTrial(trialOf(4, KNOWN), sweepOf(), sheet())),
    `
trial     #4 of digits
state     complete
val_loss  0.12
step      80
time      16s
machine   bob-rig
warning   the program did something else than its parameters say: the batch size
          was 4, not 8

PARAMETERS
learning_rate  0.1571
batch_size     32
epochs         80

USAGE
memory  9.1 GiB at most, held by its own processes
energy  12.35 Wh
busy    87 % of the time

WHERE IT FITS
bob-rig, RTX 3060      yes: about 9.4 GiB needed, 10.5 GiB free
ada-desktop, RTX 3050  no: about 9.4 GiB needed, as learned from 3 attempts; it
                       has 8.0 GiB in all

METRICS
train_loss  0.05

ATTEMPTS
attempt  machine      device  state     time  step  value   memory  message
      1  ada-desktop  GPU-1   oom         3s     -      -  7.9 GiB
      2  bob-rig      GPU-1   complete   16s     -   0.12  9.1 GiB
`
  )
})

t.test('trial view at 50 columns: the table gives way, the sentences do not', async t => {
  const text = drawTrial(trialOf(4, KNOWN), sweepOf(), sheet(50))
  t.equal(
    drawn(text.slice(text.indexOf('WHERE'))),
    `
WHERE IT FITS
bob-rig, RTX 3060      yes: about 9.4 GiB needed,
                       10.5 GiB free
ada-desktop, RTX 3050  no: about 9.4 GiB needed,
                       as learned from 3 attempts;
                       it has 8.0 GiB in all

METRICS
train_loss  0.05

ATTEMPTS
attempt  machine      state     time  step  value
      1  ada-desktop  oom         3s     -      -
      2  bob-rig      complete   16s     -   0.12
`
  )
  t.ok(Math.max(...text.split('\n').map(columnsOf)) <= 50)
})

t.test('whose memory it was is told as far as it is known, and nothing is told that is not', async t => {
  const usageOf = (usage: object) => {
    const attempt = { ...COMPLETE, usage, changed: [] }
    return drawTrial(trialOf(4, { attempts: [attempt] }), sweepOf(), sheet(120))
  }
  t.match(usageOf({ peakBytes: GIB, peakSource: 'device' }), '1.0 GiB at most, of the whole device, since nobody')
  t.match(usageOf({ peakBytes: GIB, peakSource: 'program' }), '1.0 GiB at most, as the program itself said\n')
  t.match(usageOf({ utilisation: 0.5 }), '\nUSAGE\nbusy  50 % of the time\n')
  t.notMatch(usageOf({}), /USAGE|WHERE|warning|memory/)
})

t.test('best: a trial whose program changed its parameters is marked, and the mark is explained', async t => {
  const changed = { attempts: [COMPLETE] }
  const text = drawBest({ sweep: sweepOf(), trials: [trialOf(7), trialOf(4, changed)] }, sheet())
  t.match(text, /\n2 +! #4 /)
  t.match(
    text,
    '\n! the program did something else than its parameters say: the batch size was 4,\nnot 8 (trial #4)\n\nBest trial #7'
  )
  t.notMatch(drawBest({ sweep: sweepOf(), trials: [trialOf(7)] }, sheet()), '!')
  const replicate = { ...COMPLETE, machineName: 'cy' }
  t.notMatch(drawBest({ sweep: sweepOf(), trials: [trialOf(7, { attempts: [replicate] })] }, sheet()), '!')
})
