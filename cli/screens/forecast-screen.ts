/**
 * The forecast of a sweep: how long, at what cost, and which trials fit whom.
 *
 * Owns the words and how exact a number is: what is guessed is not told to the second.
 */
import {
  type FitGroup,
  type ForecastDevice,
  type ForecastView,
  formatBytes,
  formatDuration,
  type Range
} from '#protocol'
import { count, NONE, plural, shortNumber, shortParameters } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { wrap } from '../terminal/width.js'
import { titled } from './trial-screen.js'

const DEVICES: readonly Column[] = [
  { title: 'device', shrinksTo: 10 },
  { title: 'machine', shrinksTo: 8, leavesAt: 3 },
  { title: 'fits', align: 'right' },
  { title: 'a training takes', leavesAt: 2 },
  { title: 'draws', leavesAt: 4 },
  { title: 'trains', align: 'right', leavesAt: 1 },
  { title: 'works', align: 'right' }
]
const FITS: readonly Column[] = [
  { title: 'trials', align: 'right' },
  { title: 'need', leavesAt: 1 },
  { title: 'fit', shrinksTo: 12 }
]
/** Sweeps that are named as those that were seen. */
const SWEEPS_SHOWN = 3

/** True when a sweep would train anything as far as is known. */
export function runsSomewhere({ groups }: ForecastView): boolean {
  return groups.some(({ devices }) => devices.length > 0)
}

/** Returns the screen: the whole need, what each device does, who takes which trials, and what was left out. */
export function drawForecast(view: ForecastView, sheet: Sheet): string {
  const parts = [
    pairs(needRows(view, sheet), sheet),
    titled('DEVICES', deviceLines(view, sheet), sheet.style),
    titled('WHICH TRIALS FIT WHOM', fitLines(view, sheet), sheet.style),
    titled('NOT COUNTED', leftOutLines(view, sheet), sheet.style)
  ]
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')
}

function needRows(view: ForecastView, { style }: Sheet): [string, Cell][] {
  const { name, trials, need } = view
  const rows: [string, Cell][] = [
    ['sweep', { text: name, paint: style.bold }],
    ['trials', trialsText(view)],
    ['known', knownText(view)]
  ]
  if (trials === 0) return [...rows, ['time', { text: 'none: the constraints leave no trial', paint: style.warn }]]
  if (!runsSomewhere(view))
    return [...rows, ['time', { text: 'nothing of it can run now, see below', paint: style.warn }]]
  if (!need) return rows
  const most = isAtMost(view) ? 'at most ' : ''
  rows.push(['trained', trainedText(view, need)])
  rows.push(['time', { text: most + spread(need.hours, hoursText), paint: style.accent }])
  rows.push(['devices', `${most}${spread(need.gpuHours, hoursText)} of work in all`])
  rows.push([
    'energy',
    need.kwh ? `${most}${spread(need.kwh, kwhText)}${kwhNote(view)}` : 'not known: --watts tells it'
  ])
  return rows
}

/** What is not played ends trials, or all of it, before their time. */
function isAtMost({ stopping, target }: ForecastView): boolean {
  return stopping?.leftOut !== undefined || target !== undefined
}

function trialsText({ trials, method, isDrawn }: ForecastView): string {
  const text = `${count(trials)}, ${method}`
  return isDrawn ? `${text}; parameters drawn at random stand for what it will propose` : text
}

function trainedText({ trials }: ForecastView, { trained, stoppedEarly, endedBy }: NonNullable<ForecastView['need']>) {
  const end = endedBy && { budget: 'its gpu_hours are used up', 'wall time': 'its wall time is over' }[endedBy]
  const spent = end ? ` of ${count(trials)}, then ${end}` : ''
  const stopped = stoppedEarly.high > 0 ? `, ${spread(stoppedEarly, count)} of them stopped early` : ''
  return `${spread(trained, count)}${spent}${stopped}`
}

function knownText({ seen, isTold }: ForecastView): string {
  const told = 'one training takes so long on this machine, as you say'
  if (!seen) return isTold ? told : 'nothing like it has been trained here, so nobody knows how long a training takes'
  const files =
    seen.likeness === 'same program' ? 'the same files' : 'the same command and parameters, with other files'
  const sweeps = seen.sweeps.slice(0, SWEEPS_SHOWN).join(', ') + (seen.sweeps.length > SWEEPS_SHOWN ? ' …' : '')
  const trainings = `${plural(seen.trainings, 'full training')} with ${files} (${sweeps})`
  return isTold ? `${told}; ${trainings} took about ${secondsText(seen.seconds)}` : trainings
}

/** What is missing in the sum. */
function kwhNote({ devices }: ForecastView): string {
  const unknown = devices.filter(({ power, fits }) => !power && fits > 0).map(({ model }) => model)
  const isLimit = devices.some(({ power, fits }) => power?.basis === 'limit' && fits > 0)
  const notes = [
    ...(isLimit ? ['at most: nobody has measured some devices'] : []),
    ...(unknown.length > 0 ? [`without ${[...new Set(unknown)].join(', ')}`] : [])
  ]
  return notes.length === 0 ? '' : `; ${notes.join('; ')}`
}

function deviceLines(view: ForecastView, sheet: Sheet): string[] {
  const counted = view.devices.filter(({ leftOut }) => leftOut === undefined)
  if (counted.length === 0 || view.looked === 0) return []
  const rows = counted.map(({ model, machineName, fits, length, power, trials, hours }): Cell[] => [
    model,
    machineName,
    `${count(fits)} of ${count(view.looked)}`,
    length ? `${secondsText(length.seconds)}${lengthNote(length)}` : NONE,
    power ? `${Math.round(power.watts)} W${power.basis === 'limit' ? ' at most' : ''}` : NONE,
    trials === undefined ? NONE : count(trials),
    hours === undefined ? NONE : hoursText(hours)
  ])
  return table(DEVICES, rows, sheet)
}

function lengthNote({ basis, from }: NonNullable<ForecastDevice['length']>): string {
  switch (basis) {
    case 'told':
    case 'seen':
      return ''
    case 'scaled':
      return `, by ${from}`
    case 'assumed':
      return `, as ${from || 'told'}`
  }
}

function fitLines(view: ForecastView, sheet: Sheet): string[] {
  const { groups, looked, trials } = view
  if (looked === 0) return []
  const rows = groups.map((group): Cell[] => [count(group.trials), needText(group), whoCell(group, view, sheet)])
  const part = `Of the first ${count(looked)} trials; they stand for all ${count(trials)}.`
  const named = groups.flatMap(group =>
    group.named.map(({ trial, parameters, text }) => `#${trial} ${shortParameters(parameters)}: ${text}.`)
  )
  return [
    ...(looked < trials ? wrap(part, sheet.columns) : []),
    ...table(FITS, rows, sheet),
    ...named.flatMap(text => wrap(text, sheet.columns)).map(line => sheet.style.warn(line))
  ]
}

function needText({ bytes }: FitGroup): string {
  if (!bytes) return 'nobody knows'
  const [low, high] = [formatBytes(bytes.low), formatBytes(bytes.high)]
  return low === high ? high : `${low} to ${high}`
}

function whoCell({ devices }: FitGroup, view: ForecastView, { style }: Sheet): Cell {
  if (devices.length === 0) return { text: 'nobody', paint: style.warn }
  const counted = view.devices.filter(({ leftOut }) => leftOut === undefined)
  if (devices.length === counted.length) return counted.length === 1 ? deviceText(counted[0]) : 'all of them'
  return devices.map(at => deviceText(view.devices[at])).join(', ')
}

function deviceText(device: ForecastDevice | undefined): string {
  return device ? `${device.model} of ${device.machineName}` : NONE
}

function leftOutLines(view: ForecastView, sheet: Sheet): string[] {
  const { devices, stopping, target, tooShortSeconds, requires, before } = view
  const texts = [
    ...devices.flatMap(device => (device.leftOut === undefined ? [] : [`${deviceText(device)}: ${device.leftOut}.`])),
    ...(stopping?.leftOut === undefined ? [] : [`Early stopping by ${stopping.rule}: ${stopping.leftOut}.`]),
    ...(target === undefined ? [] : [`The target ${shortNumber(target)}: when a trial reaches it, the sweep ends.`]),
    ...(tooShortSeconds === undefined
      ? []
      : [`Failures: time_limit is ${secondsText(tooShortSeconds)}, and a training takes longer. Raise it.`]),
    ...(requires.length === 0 ? [] : [`Whether machines have ${requires.join(', ')}: each knows for itself.`]),
    ...(before.length === 0 ? [] : [`${before.join(', ')}: already under way, and first in line.`])
  ]
  return texts.flatMap(text => wrap(text, sheet.columns)).map(line => sheet.style.warn(line))
}

/** The middle, and within what most courses are where that says more. */
function spread({ low, middle, high }: Range, text: (value: number) => string): string {
  const [from, to] = [text(low), text(high)]
  return from === to ? text(middle) : `about ${text(middle)} (${from} to ${to})`
}

function hoursText(hours: number): string {
  return secondsText(3600 * hours)
}

/** About two digits of what is a guess. */
function secondsText(seconds: number): string {
  if (seconds < 60) return `${shortNumber(Number(seconds.toPrecision(2)))}s`
  if (seconds < 600) return formatDuration(10_000 * Math.round(seconds / 10))
  if (seconds < 100 * 3600) return formatDuration(60_000 * Math.round(seconds / 60))
  return formatDuration(3_600_000 * Math.round(seconds / 3600))
}

function kwhText(kwh: number): string {
  const rounded = Number(kwh.toPrecision(2))
  return `${rounded < 1000 ? shortNumber(rounded) : count(rounded)} kWh`
}
