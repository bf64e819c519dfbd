/**
 * The machines of a pool, and one of them with its devices.
 */
import { type Device, formatBytes, type KnownDevice, type MachineView } from '#protocol'
import { bar } from '../terminal/curve.js'
import { count, NONE, plural, seconds, shortId, shortNumber } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'

const LIST: readonly Column[] = [
  { title: 'machine', shrinksTo: 10 },
  { title: 'member', shrinksTo: 6, leavesAt: 3 },
  { title: 'state', shrinksTo: 8 },
  { title: 'devices', shrinksTo: 12, leavesAt: 2 },
  { title: 'trials', align: 'right', leavesAt: 1 },
  { title: 'trained', align: 'right', leavesAt: 4 }
]

const DEVICES: readonly Column[] = [
  { title: 'device', shrinksTo: 10 },
  { title: 'memory used', leavesAt: 3 },
  { title: 'free', align: 'right' },
  { title: 'busy', align: 'right', leavesAt: 1 },
  { title: 'temp', align: 'right', leavesAt: 2 },
  { title: 'power', align: 'right', leavesAt: 4 },
  { title: 'doing', shrinksTo: 10 }
]
const BAR_COLUMNS = 10

/** Returns a table with a row for each machine. */
export function drawMachines(machines: readonly MachineView[], sheet: Sheet): string {
  const rows = machines.map((machine): Cell[] => [
    nameCell(machine, sheet),
    machine.memberName,
    stateCell(machine, sheet),
    devicesText(machine.devices),
    count(machine.trialsFinished),
    seconds(machine.secondsTrained)
  ])
  return table(LIST, rows, sheet).join('\n')
}

/** Returns everything about one machine. */
export function drawMachine(machine: MachineView, sheet: Sheet): string {
  const { devices, running } = machine
  const head = pairs(
    [
      ['machine', nameCell(machine, sheet)],
      ['key', machine.machine],
      ['member', machine.memberName],
      ['state', stateCell(machine, sheet)],
      ['system', `${machine.platform}, version ${machine.version}`],
      ...(machine.roundTripMs === undefined
        ? []
        : [['round trip', `${shortNumber(machine.roundTripMs)} ms`] satisfies [string, Cell]]),
      ['trials', `${plural(machine.trialsFinished, 'trial')} finished, ${seconds(machine.secondsTrained)} trained`]
    ],
    sheet
  )
  const rows = devices.map(device => deviceRow(device, doing(device, running), sheet))
  return [...head, '', ...table(DEVICES, rows, sheet)].join('\n')
}

/** Returns a machine's name; this one has a star. */
export function nameCell(machine: MachineView, { style }: Sheet): Cell {
  return machine.isThisMachine ? { text: `${machine.name} *`, paint: style.bold } : machine.name
}

/** Returns what a machine does, in a few words. */
export function stateCell(machine: MachineView, { style }: Sheet): Cell {
  if (!machine.isHere) {
    const heard = machine.heardSecondsAgo
    return { text: heard === undefined ? 'away' : `away ${seconds(heard)}`, paint: style.dim }
  }
  if (machine.paused !== undefined) return { text: `paused: ${machine.paused}`, paint: style.warn }
  if (machine.running.length === 0) return 'idle'
  return { text: `runs ${plural(machine.running.length, 'trial')}`, paint: style.good }
}

/** Returns devices as counted models: `2 x RTX 4090 24.0 GiB, cpu`. */
export function devicesText(devices: readonly (Device | KnownDevice)[]): string {
  const models = new Map<string, number>()
  for (const device of devices) {
    const model = device.vendor === 'cpu' ? 'cpu' : `${device.model} ${formatBytes(device.memoryBytes)}`
    models.set(model, (models.get(model) ?? 0) + 1)
  }
  return [...models].map(([model, many]) => (many === 1 ? model : `${many} x ${model}`)).join(', ') || NONE
}

function deviceRow(device: Device | KnownDevice, work: string | undefined, { style }: Sheet): Cell[] {
  const live: Partial<Device> = device
  const { freeBytes, utilisation, temperatureC, powerW, fault } = live
  const used = freeBytes === undefined ? undefined : 1 - freeBytes / Math.max(1, device.memoryBytes)
  return [
    device.model,
    used === undefined ? NONE : bar(used, BAR_COLUMNS),
    `${freeBytes === undefined ? '' : `${formatBytes(freeBytes)} of `}${formatBytes(device.memoryBytes)}`,
    utilisation === undefined ? NONE : `${Math.round(utilisation * 100)} %`,
    temperatureC === undefined ? NONE : `${Math.round(temperatureC)} °C`,
    powerW === undefined ? NONE : `${Math.round(powerW)} W`,
    fault === undefined ? (work ?? 'idle') : { text: fault, paint: style.bad }
  ]
}

function doing(device: Device | KnownDevice, running: MachineView['running']): string | undefined {
  const attempt = running.find(each => each.device === device.id)
  return attempt && `trial #${attempt.trial} of ${shortId(attempt.sweep)}, ${seconds(attempt.seconds)}`
}
