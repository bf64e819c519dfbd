/**
 * Schedule: the hours in which an owner lets a machine work.
 *
 * Owns the text of a span, such as `22:00-08:00` or `sat 00:00-24:00`. Pure. A span that ends before it begins goes on
 * into the next day.
 */

const DAYS: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const DAY_MINUTES = 24 * 60
const WEEK_MINUTES = 7 * DAY_MINUTES
const SPAN = /^(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/

/** Minutes of the week since Monday 0:00; the end is not part of it. */
export interface Span {
  readonly fromMinute: number
  readonly toMinute: number
}

/** Returns the spans that a text means: one for each day, cut at the week's end; nothing when it is no span. */
export function parseSpan(text: string): readonly Span[] | undefined {
  const match = SPAN.exec(text.trim().toLowerCase())
  if (!match) return undefined
  const [, first, last, ...clock] = match
  const [fromHour = 0, fromMinutes = 0, toHour = 0, toMinutes = 0] = clock.map(Number)
  const days = daysFrom(first, last)
  const [from, to] = [60 * fromHour + fromMinutes, 60 * toHour + toMinutes]
  if (!days || from >= DAY_MINUTES || to > DAY_MINUTES || fromMinutes > 59 || toMinutes > 59 || from === to)
    return undefined
  const lengthMinutes = to > from ? to - from : to + DAY_MINUTES - from
  return days.flatMap(day => wrapped(day * DAY_MINUTES + from, lengthMinutes))
}

/** Returns the minutes since Monday 0:00 of a local time. */
export function minuteOfWeek(date: Date): number {
  const day = (date.getDay() + 6) % 7
  return day * DAY_MINUTES + date.getHours() * 60 + date.getMinutes()
}

function daysFrom(first: string | undefined, last: string | undefined): number[] | undefined {
  if (first === undefined) return DAYS.map((_, day) => day)
  const from = DAYS.indexOf(first)
  const to = last === undefined ? from : DAYS.indexOf(last)
  if (from < 0 || to < 0) return undefined
  return DAYS.map((_, day) => day).filter(day => (from <= to ? day >= from && day <= to : day >= from || day <= to))
}

/** Sunday night goes on in the first minutes of the week. */
function wrapped(fromMinute: number, lengthMinutes: number): Span[] {
  const toMinute = fromMinute + lengthMinutes
  if (toMinute <= WEEK_MINUTES) return [{ fromMinute, toMinute }]
  return [
    { fromMinute, toMinute: WEEK_MINUTES },
    { fromMinute: 0, toMinute: toMinute - WEEK_MINUTES }
  ]
}
