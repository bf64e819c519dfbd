/**
 * The machines of a pool, and one of them with its devices.
 */
import { type Device, formatBytes, type KnownDevice, type MachineView } from '#protocol'
import { bar } from '../terminal/curve.js'
import { count, NONE, plural, seconds, shortId, shortNumber } from '../terminal/format.js'
import { plain } from '../terminal/plain.js'
import type { Sheet } from '../terminal/sheet.js'
import type { Style } from '../terminal/style.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { fit } from '../terminal/width.js'

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
/** Of a device's facts, so that those of all devices stand below each other. */
const TITLE_COLUMNS = 7

type AnyDevice = Device | KnownDevice
type Running = MachineView['running']

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
  const rows = devices.map(device => deviceRow(device, running, sheet))
  const details = devices.flatMap(device => deviceLines(device, running, sheet))
  return [...head, '', ...table(DEVICES, rows, sheet), ...details].join('\n')
}

/** Returns a machine's name; this one has a star. */
export function nameCell(machine: MachineView, { style }: Sheet): Cell {
  return machine.isThisMachine ? { text: `${machine.name} *`, paint: style.bold } : machine.name
}

/** Returns what a machine does, in a few words, and why devices of it take no work. */
export function stateCell(machine: MachineView, { style }: Sheet): Cell {
  if (!machine.isHere) {
    const heard = machine.heardSecondsAgo
    return { text: heard === undefined ? 'away' : `away ${seconds(heard)}`, paint: style.dim }
  }
  const { running, paused } = machine
  if (paused !== undefined) return { text: pausedText(paused), paint: style.warn }
  const trouble = troubleOf(machine.devices)
  const work = running.length === 0 ? undefined : `runs ${plural(running.length, 'trial')}`
  if (trouble === undefined) return work === undefined ? 'idle' : { text: work, paint: style.good }
  const text = work === undefined ? trouble.text : `${work}; ${trouble.text}`
  return { text, paint: trouble.isFault ? style.bad : style.warn }
}

/** Returns why a machine takes no work; most reasons do not say by themselves that it is one. */
export function pausedText(reason: string): string {
  return reason.startsWith('paused') ? reason : `paused: ${reason}`
}

/** Returns devices as counted models: `2 x RTX 4090 24.0 GiB, cpu`. */
export function devicesText(devices: readonly AnyDevice[]): string {
  const models = new Map<string, number>()
  for (const device of devices) {
    const model = device.vendor === 'cpu' ? 'cpu' : `${device.model} ${formatBytes(device.memoryBytes)}`
    models.set(model, (models.get(model) ?? 0) + 1)
  }
  return [...models].map(([model, many]) => (many === 1 ? model : `${many} x ${model}`)).join(', ') || NONE
}

/** Why devices take no work, in a few words; a fault comes before what their owner wants. */
function troubleOf(devices: MachineView['devices']): { text: string; isFault: boolean } | undefined {
  const troubled = devices.map(live).filter(({ fault, hold }) => fault !== undefined || hold !== undefined)
  const fault = troubled.find(each => each.fault !== undefined)?.fault
  const reason = fault ?? troubled[0]?.hold
  if (reason === undefined) return undefined
  const text = devices.length === 1 ? reason : `${troubled.length} of ${devices.length} off: ${reason}`
  return { text, isFault: fault !== undefined }
}

function deviceRow(device: AnyDevice, running: Running, { style }: Sheet): Cell[] {
  const { freeBytes, utilisation, temperatureC, powerW } = live(device)
  const used = freeBytes === undefined ? undefined : 1 - freeBytes / Math.max(1, device.memoryBytes)
  return [
    device.model,
    used === undefined ? NONE : bar(used, BAR_COLUMNS),
    `${freeBytes === undefined ? '' : `${formatBytes(freeBytes)} of `}${formatBytes(device.memoryBytes)}`,
    utilisation === undefined ? NONE : percent(utilisation),
    temperatureC === undefined ? NONE : `${Math.round(temperatureC)} °C`,
    powerW === undefined ? NONE : `${Math.round(powerW)} W`,
    doingCell(device, running, style)
  ]
}

function doingCell(device: AnyDevice, running: Running, style: Style): Cell {
  const { fault, hold } = live(device)
  if (fault !== undefined) return { text: fault, paint: style.bad }
  const work = attemptsOn(device, running).map(({ sweep, trial }) => `#${trial} of ${shortId(sweep)}`)
  if (hold !== undefined) return { text: [...work, hold].join('; '), paint: style.warn }
  return work.join(', ') || 'idle'
}

/** What the table has no room for, or cuts. */
function deviceLines(device: AnyDevice, running: Running, sheet: Sheet): string[] {
  const { style } = sheet
  const { fault, hold } = live(device)
  const rows: [string, Cell][] = [
    ['id', device.id],
    ['memory', memoryText(device)],
    ...abilities(device),
    ...attemptsOn(device, running).map((each): [string, Cell] => ['runs', attemptText(each)]),
    ...(fault === undefined ? [] : [['fault', { text: fault, paint: style.bad }] satisfies [string, Cell]]),
    ...(hold === undefined ? [] : [['no work', { text: hold, paint: style.warn }] satisfies [string, Cell]])
  ]
  const titled = rows.map(([title, cell]) => [title.padEnd(TITLE_COLUMNS), cell] as const)
  return ['', style.bold(fit(plain(device.model), sheet.columns)), ...pairs(titled, sheet)]
}

function memoryText(device: AnyDevice): string {
  const { memoryBytes, isUnified, freeBytes, reservedBytes, foreignBytes, foreignUtilisation } = live(device)
  const busy = foreignUtilisation === undefined ? '' : `, which keep it ${percent(foreignUtilisation)} busy`
  return [
    `${formatBytes(memoryBytes ?? 0)}${isUnified ? ', shared with the processor' : ''}`,
    ...(freeBytes === undefined ? [] : [`${formatBytes(freeBytes)} free`]),
    ...(reservedBytes ? [`${formatBytes(reservedBytes)} kept for its owner`] : []),
    ...(foreignBytes === undefined ? [] : [`${formatBytes(foreignBytes)} held by other programs${busy}`])
  ].join('; ')
}

function abilities({ capability, bf16 }: AnyDevice): [string, Cell][] {
  const known = [
    ...(capability === undefined ? [] : [`capability ${capability}`]),
    ...(bf16 === undefined ? [] : [bf16 ? 'bf16' : 'no bf16'])
  ]
  return known.length === 0 ? [] : [['can do', known.join(', ')]]
}

function attemptText({ trial, sweep, seconds: sinceStart, memoryBytes }: Running[number]): string {
  const memory = memoryBytes === undefined ? '' : `, with ${formatBytes(memoryBytes)} of its memory`
  return `trial #${trial} of ${shortId(sweep)} for ${seconds(sinceStart)}${memory}`
}

function attemptsOn({ id }: AnyDevice, running: Running): Running {
  return running.filter(each => each.device === id)
}

/** A device of a machine that is away is known by what does not change: the rest is absent. */
function live(device: AnyDevice): Partial<Device> {
  return device
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
