/**
 * Machines and their devices as people see them, without colours unless they are what is looked at.
 */
import t from 'tap'
import type { Device, MachineView } from '#protocol'
import { drawMachine, drawMachines } from '../../cli/screens/machine-screen.js'
import { drawWatch } from '../../cli/screens/watch-screen.js'
import { COLOUR_STYLE, PLAIN_STYLE } from '../../cli/terminal/style.js'
import { columnsOf } from '../../cli/terminal/width.js'
import { cardOf, machineOf, NOW, OVERVIEW } from '../helpers/views.js'

const sheet = (columns = 80) => ({ columns, style: PLAIN_STYLE, now: NOW })
const coloured = { ...sheet(200), style: COLOUR_STYLE }
const drawn = (text: string) => `\n${text}\n`

const CARD = cardOf()
const GAMING = cardOf({ id: 'GPU-77aa', hold: 'other programs keep it 40 % busy', foreignUtilisation: 0.4 })
const running = (device: Device, memoryBytes = 7.2 * 2 ** 30) => [
  { sweep: '3f2a9c1be07d44418f0b5a6c7d8e9f00', trial: 17, attempt: 1, device: device.id, seconds: 12, memoryBytes }
]
const rig = (change: Partial<MachineView> = {}) =>
  machineOf('ada-desktop', { isThisMachine: true, devices: [CARD], running: running(CARD), ...change })

t.test('machine view at 80 columns: what each device has, holds and does', async t => {
  t.equal(
    drawn(drawMachine(rig({ devices: [CARD, GAMING] }), sheet())),
    `
machine     ada-desktop *
key         ada-desktop-0000000000000000000000000000000000000000000000000000
member      ada
state       runs 1 trial; 1 of 2 off: other programs keep it 40 % busy
system      linux-x64, version 0.1.0
round trip  18.4 ms
trials      9 trials finished, 2m 10s trained

device    memory used                 free  busy   temp  power  doing
RTX 3060  ███████▌░░   3.0 GiB of 12.0 GiB  97 %  62 °C  152 W  #17 of 3f2a9c1b
RTX 3060  ███████▌░░   3.0 GiB of 12.0 GiB  97 %  62 °C  152 W  other programs…

RTX 3060
id       GPU-3f2a9c1b-7d44-418f-0b5a-6c7d8e9f0012
memory   12.0 GiB; 3.0 GiB free; 1.5 GiB kept for its owner; 900.0 MiB held by
         other programs, which keep it 4 % busy
can do   capability 8.6, bf16
runs     trial #17 of 3f2a9c1b for 12s, with 7.2 GiB of its memory

RTX 3060
id       GPU-77aa
memory   12.0 GiB; 3.0 GiB free; 1.5 GiB kept for its owner; 900.0 MiB held by
         other programs, which keep it 40 % busy
can do   capability 8.6, bf16
no work  other programs keep it 40 % busy
`
  )
})

t.test('machine view at 50 columns: columns of the table leave, facts below it do not', async t => {
  t.equal(
    drawn(drawMachine(rig({ devices: [CARD] }), sheet(50))),
    `
machine     ada-desktop *
key         ada-desktop-0000000000000000000000000000000000000000000000000000
member      ada
state       runs 1 trial
system      linux-x64, version 0.1.0
round trip  18.4 ms
trials      9 trials finished, 2m 10s trained

device                   free  busy  doing
RTX 3060  3.0 GiB of 12.0 GiB  97 %  #17 of 3f2a9…

RTX 3060
id       GPU-3f2a9c1b-7d44-418f-0b5a-6c7d8e9f0012
memory   12.0 GiB; 3.0 GiB free; 1.5 GiB kept for
         its owner; 900.0 MiB held by other
         programs, which keep it 4 % busy
can do   capability 8.6, bf16
runs     trial #17 of 3f2a9c1b for 12s, with 7.2
         GiB of its memory
`
  )
})

t.test('machine view: what is not known is not there, and memory that is shared is told as such', async t => {
  const { freeBytes: _, foreignUtilisation: __, ...rest } = cardOf({ isUnified: true, bf16: false, reservedBytes: 0 })
  const text = drawMachine(rig({ devices: [rest], running: [] }), sheet(200))
  t.match(text, '\nmemory   12.0 GiB, shared with the processor; 900.0 MiB held by other programs\n')
  t.match(text, '\ncan do   capability 8.6, no bf16')
  t.notMatch(text, /runs {5}|no work|fault/)
  const away = { id: 'GPU-9', vendor: 'amd', model: 'RX 7900', memoryBytes: 24 * 2 ** 30 } as const
  const known = drawMachine(rig({ isHere: false, devices: [away], running: [] }), sheet())
  t.match(known, /\nRX 7900\nid {7}GPU-9\nmemory {3}24\.0 GiB$/)
})

t.test(
  'a fault is in the bad colour, what its owner wants in the warn colour, on every screen of a machine',
  async t => {
    const { bad, warn } = COLOUR_STYLE
    const fault = 'The driver no longer finds this GPU.'
    const ill = rig({ devices: [cardOf({ fault })], running: [] })
    const held = rig({ devices: [GAMING], running: [] })
    for (const draw of [drawMachine, (view: MachineView) => drawMachines([view], coloured)]) {
      t.ok(draw(ill, coloured).includes(bad(fault)))
      t.ok(draw(held, coloured).includes(warn('other programs keep it 40 % busy')))
    }
  }
)

t.test('machine list and watch: why a device takes no work, shortly', async t => {
  const fault = 'It is gone.'
  const machines = [
    rig({ devices: [GAMING], running: [] }),
    rig({ name: 'bob-rig', devices: [CARD, cardOf({ id: 'GPU-2', fault }), GAMING] }),
    rig({ name: 'cy', running: [], paused: 'paused by its owner' }),
    rig({ name: 'di', running: [], paused: 'steam runs' })
  ]
  t.equal(
    drawn(drawMachines(machines, sheet(120))),
    `
machine        member  state                                  devices                trials  trained
ada-desktop *  ada     other programs keep it 40 % busy       RTX 3060 12.0 GiB           9   2m 10s
bob-rig *      ada     runs 1 trial; 2 of 3 off: It is gone.  3 x RTX 3060 12.0 GiB       9   2m 10s
cy *           ada     paused by its owner                    RTX 3060 12.0 GiB           9   2m 10s
di *           ada     paused: steam runs                     RTX 3060 12.0 GiB           9   2m 10s
`
  )
  t.match(drawWatch({ ...OVERVIEW, machines }, sheet(120), 40), 'runs 1 trial; 2 of 3 off: It is gone.')
  const status = { ...OVERVIEW.status, paused: 'paused for 2 h more' }
  t.match(drawWatch({ ...OVERVIEW, status }, sheet(120), 40), 'online · paused for 2 h more\n')
  for (const columns of [80, 50]) {
    const lines = drawMachines(machines, sheet(columns)).split('\n')
    t.ok(Math.max(...lines.map(columnsOf)) <= columns)
    t.equal(lines.length, 5)
  }
})
