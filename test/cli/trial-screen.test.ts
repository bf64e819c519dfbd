/**
 * Trials as people see them, without colours.
 */
import t from 'tap'
import { drawTrial, drawTrials } from '../../cli/screens/trial-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { NOW, runningTrial, sweepOf, trialOf } from '../helpers/views.js'

const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const drawn = (text: string) => `\n${text}\n`

t.test('trials: many in a table', async t => {
  t.equal(
    drawn(drawTrials([trialOf(4), runningTrial(17, 41)], 'val_loss', sheet())),
    `
trial  state     val_loss   step  time  machine  parameters
   #4  complete      0.12     80   16s  bob-rig  learning_rate=0.1571 batch_siz…
  #17  running     0.1084  41/80   10s  bob-rig  learning_rate=0.5655 batch_siz…
`
  )
})

t.test('trial: one with the story of its attempts', async t => {
  const trial = trialOf(4, {
    curve: [],
    attempts: [
      {
        attempt: 1,
        machine: 'a',
        machineName: 'ada-desktop',
        device: 'GPU-1',
        state: 'oom',
        seconds: 3,
        message: 'CUDA out of memory'
      },
      {
        attempt: 2,
        machine: 'b',
        machineName: 'bob-rig',
        device: 'GPU-1',
        state: 'complete',
        seconds: 16,
        step: 80,
        value: 0.12,
        tail: 'one\ntwo\n'
      }
    ]
  })
  t.equal(
    drawn(drawTrial(trial, sweepOf(), sheet())),
    `
trial     #4 of digits
state     complete
val_loss  0.12
step      80
time      16s
machine   bob-rig

PARAMETERS
learning_rate  0.1571
batch_size     32
epochs         80

METRICS
train_loss  0.05

ATTEMPTS
attempt  machine      device  state     time  step  value  message
      1  ada-desktop  GPU-1   oom         3s     -      -  CUDA out of memory
      2  bob-rig      GPU-1   complete   16s    80   0.12

LAST OUTPUT
  one
  two
`
  )
})
