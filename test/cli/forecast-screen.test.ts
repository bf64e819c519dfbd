/**
 * The forecast as people read it: its words, its widths, and what it says of what it does not know.
 */
import t from 'tap'
import { EXIT, type ForecastView } from '#protocol'
import { drawForecast } from '../../cli/screens/forecast-screen.js'
import { PLAIN_STYLE } from '../../cli/terminal/style.js'
import { columnsOf } from '../../cli/terminal/width.js'
import { fakeAgent } from '../helpers/fake-agent.js'
import { runCommand } from '../helpers/run-command.js'
import { NOW } from '../helpers/views.js'

const GIB = 2 ** 30
const card = { model: 'RTX 4090', machineName: 'ada-desktop', memoryBytes: 24 * GIB }

const VIEW: ForecastView = {
  name: 'alpaca',
  method: 'tpe',
  trials: 40,
  looked: 40,
  isDrawn: true,
  seen: { likeness: 'same command', trainings: 31, sweeps: ['alpaca-1'], seconds: 2100 },
  isTold: false,
  requires: [],
  stopping: { rule: 'asha' },
  need: {
    hours: { low: 4.71, middle: 5.33, high: 6.18 },
    gpuHours: { low: 17.2, middle: 19.4, high: 22.1 },
    kwh: { low: 5.61, middle: 6.1, high: 6.93 },
    trained: { low: 40, middle: 40, high: 40 },
    stoppedEarly: { low: 24, middle: 26, high: 29 }
  },
  devices: [
    {
      ...card,
      fits: 36,
      length: { seconds: 2040, basis: 'seen' },
      power: { watts: 312.4, basis: 'seen' },
      trials: 24,
      hours: 5.2
    },
    {
      ...card,
      model: 'RTX 3060',
      machineName: 'bob-rig',
      fits: 24,
      length: { seconds: 5300, basis: 'scaled', from: 'RTX 4090' },
      power: { watts: 170, basis: 'limit' },
      trials: 10,
      hours: 5.1
    },
    { ...card, model: 'M2 Max', machineName: 'cy', fits: 0, leftOut: 'its machine is away' }
  ],
  groups: [
    { trials: 24, bytes: { low: 6 * GIB, high: 9.25 * GIB }, devices: [0, 1], named: [] },
    { trials: 12, bytes: { low: 13 * GIB, high: 21 * GIB }, devices: [0], named: [] },
    {
      trials: 4,
      bytes: { low: 30 * GIB, high: 30 * GIB },
      devices: [],
      named: [
        { trial: 7, parameters: { rank: 128, batch: 32 }, text: 'needs about 30.0 GiB, RTX 4090 has 24.0 GiB in all' }
      ]
    }
  ],
  before: ['digits']
}

const linesOf = (view: ForecastView, columns = 90) =>
  drawForecast(view, { columns, style: PLAIN_STYLE, now: NOW }).split('\n')

t.test('one screen: the need with its range, each device, who takes what, what was left out', async t => {
  const text = linesOf(VIEW).join('\n')
  t.match(text, /trained +40, about 26 \(24 to 29\) of them stopped early/)
  t.match(text, /time +about 5h 20m \(4h 43m to 6h 11m\)/)
  t.match(text, /devices +about 19h 24m \(17h 12m to 22h 6m\) of work in all/)
  t.match(text, /energy +about 6\.1 kWh \(5\.6 kWh to 6\.9 kWh\); at most: nobody has measured some devices/)
  t.match(text, /RTX 3060 +bob-rig +24 of 40 +1h 28m, by RTX 4090 +170 W at most +10 +5h 6m/)
  t.match(text, / 24 +6\.0 GiB to 9\.3 GiB +all of them\n/)
  t.match(text, / 12 +13\.0 GiB to 21\.0 GiB +RTX 4090 of ada-desktop\n/)
  t.match(text, /#7 rank=128 batch=32: needs about 30\.0 GiB, RTX 4090 has 24\.0 GiB in all\./)
  t.match(text, /NOT COUNTED\nM2 Max of cy: its machine is away\.\ndigits: already under way/)
})

t.test('it fits a narrow terminal', async t => {
  for (const columns of [80, 50, 34]) {
    for (const line of linesOf(VIEW, columns)) t.ok(columnsOf(line) <= columns, `${columns}: ${line}`)
  }
})

t.test('without a known length there is no need, and the next step says how to tell it', async t => {
  const { seen: _, need: _need, ...unknown } = VIEW
  t.match(linesOf(unknown).join('\n'), /known +nothing like it has been trained here/)
  const folder = t.testdir({
    'train.py': '',
    'sweep.yaml':
      'program: train.py\nmethod: random\nrun_cap: 3\nmetric: {name: loss}\nparameters: {lr: {min: 0.1, max: 0.2}}\n'
  })
  const { home, asked } = await fakeAgent(t, { simulate: unknown })
  const { stdout, stderr, status } = await runCommand(['simulate', `${folder}/sweep.yaml`, '--trial-time', '90s'], {
    home
  })
  t.equal(status, EXIT.done)
  t.match(stdout, /WHICH TRIALS FIT WHOM/)
  t.match(stderr, /next: hypersweep simulate .* --trial-time 20m/)
  t.match(asked, [{ method: 'simulate', trialSeconds: 90, spec: { runCap: 3 }, folder }])
  const wrong = await runCommand(['simulate', `${folder}/sweep.yaml`, '--trial-time', 'long'], { home })
  t.match(wrong.stderr, /"long" is no duration: write 90s, 20m or 1\.5h/)
  t.equal(wrong.status, EXIT.usage)
})

t.test('what ends it before its time, and what cannot run, is said where the time stands', async t => {
  const text = (change: Partial<ForecastView>) => linesOf({ ...VIEW, ...change }, 200).join('\n')
  t.match(text({ stopping: { rule: 'threshold', leftOut: 'it depends' } }), /time +at most about 5h 20m/)
  t.match(text({ target: 0.3 }), /time +at most about[\s\S]*The target 0\.3: when a trial reaches it, the sweep ends\./)
  const endedBy = (limit: 'budget' | 'wall time') =>
    text({ trials: 10_000, ...(VIEW.need ? { need: { ...VIEW.need, endedBy: limit } } : {}) })
  t.match(endedBy('budget'), /trained +40 of 10,000, then its gpu_hours are used up, about 26/)
  t.match(endedBy('wall time'), /trained +40 of 10,000, then its wall time is over, about 26/)
  t.match(text({ isTold: true }), /as you say; 31 full trainings with the same command and/)
  t.match(text({ tooShortSeconds: 600, requires: ['torch'] }), /time_limit is 10m[\s\S]*Whether machines have torch/)
  const nobody = text({ groups: [{ trials: 40, devices: [], named: [] }], devices: [], before: [] })
  t.match(nobody, /time +nothing of it can run now/)
  t.notMatch(nobody, /DEVICES|energy/)
  t.match(text({ trials: 0, looked: 0, groups: [] }), /time +none: the constraints leave no trial/)
})
