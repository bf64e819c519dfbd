/**
 * Reports: the lines of a program's output or metrics file that measure something.
 *
 * Owns which line is a report and what its step is: a line that is a dictionary with at least one number, as JSON or
 * as Hugging Face's trainers print it. Pure and incremental: no file, no clock.
 * Invariant: the same bytes give the same reports, however they are cut; no input throws.
 */
import { keySchema, LIMITS } from '#protocol'
import type { Report } from '../ports.js'
import { createLineSplitter, type Line } from './lines.js'
import { type Literal, readDictionary } from './literal.js'

/** Names under which programs tell their step, the most exact first; `epoch` comes last and only when it is whole. */
const STEP_NAMES = ['step', 'global_step', 'iteration', 'iter'] as const
const STEPS_NAMES = ['steps', 'total_steps', 'max_steps'] as const

export interface ReportReader {
  /** Returns what the line reports, or undefined when it is not a report. */
  read(line: Line): Report | undefined
}

export interface ReportParser {
  push(chunk: Uint8Array): Report[]
  /** Returns the report of a last line without an end. */
  end(): Report[]
}

/** Returns a parser of one file or stream: bytes in, reports out. */
export function createReportParser(): ReportParser {
  const splitter = createLineSplitter()
  const reader = createReportReader()
  const readAll = (lines: readonly Line[]): Report[] =>
    lines.map(line => reader.read(line)).filter(report => report !== undefined)
  return { push: chunk => readAll(splitter.push(chunk)), end: () => readAll(splitter.end()) }
}

/**
 * Returns a reader of one attempt's lines; it remembers the step for lines that name none.
 *
 * A line without a step belongs to the last step named before it; while no step was ever named, lines are counted
 * from 1. Names are made printable: a character that no parameter may have becomes `_`.
 */
export function createReportReader(): ReportReader {
  const place: Place = { count: 0, isEpochFractional: false }
  return {
    read(line) {
      const entries = line.isCut ? undefined : readDictionary(line.text)
      if (entries === undefined) return undefined
      const numbers = numbersOf(entries)
      if (numbers.size === 0) return undefined
      return reportOf(numbers, place)
    }
  }
}

/** Where a program is in its training, as far as its lines told. */
interface Place {
  /** Reports so far. */
  count: number
  step?: number
  epoch?: number
  /** Hugging Face prints `epoch` as a fraction: then it says nothing about steps, not even when it is whole. */
  isEpochFractional: boolean
}

function reportOf(numbers: ReadonlyMap<string, number>, place: Place): Report {
  place.count++
  notePlace(numbers, place)
  const epoch = place.isEpochFractional ? undefined : place.epoch
  const steps = STEPS_NAMES.map(name => numbers.get(name)).find(isStep)
  const all = [...numbers]
  return {
    step: place.step ?? epoch ?? place.count,
    metrics: Object.fromEntries(all.filter(([, value]) => Number.isFinite(value))),
    nonFinite: all.filter(([, value]) => !Number.isFinite(value)).map(([name]) => name),
    ...(steps === undefined ? {} : { steps })
  }
}

function notePlace(numbers: ReadonlyMap<string, number>, place: Place): void {
  const step = STEP_NAMES.map(name => numbers.get(name)).find(isStep)
  if (step !== undefined) place.step = step
  const epoch = numbers.get('epoch')
  if (isStep(epoch)) place.epoch = epoch
  else if (epoch !== undefined) place.isEpochFractional = true
}

function isStep(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0
}

/** Returns every number of a dictionary by its printable name; one level of inner dictionaries as `outer/inner`. */
function numbersOf(entries: ReadonlyMap<string, Literal>): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>()
  for (const [name, value] of entries) {
    if (value instanceof Map) for (const [inner, number] of value) note(numbers, `${name}/${inner}`, number)
    else note(numbers, name, value)
  }
  return numbers
}

function note(numbers: Map<string, number>, name: string, value: Literal): void {
  const number = numberOf(value)
  const key = printable(name)
  if (number !== undefined && key !== undefined) numbers.set(key, number)
}

const NUMBER_TEXT = /^\s*([-+]?)(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(nan|inf|infinity))\s*$/i

/** Transformers 5 prints its numbers as strings: `{'loss': '14.88'}`. */
function numberOf(value: Literal): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || value.length > LIMITS.keyChars) return undefined
  const match = NUMBER_TEXT.exec(value)
  if (match === null) return undefined
  return match[2] === undefined ? Number(value) : Number.NaN
}

/** Returns a name that a record may hold, or undefined for one that would reach a prototype. */
function printable(name: string): string | undefined {
  const safe = name.slice(0, LIMITS.keyChars).replace(/[^A-Za-z0-9_./-]/g, '_')
  const key = /^[A-Za-z_]/.test(safe) ? safe : `_${safe}`.slice(0, LIMITS.keyChars)
  return keySchema.safeParse(key).success ? key : undefined
}
