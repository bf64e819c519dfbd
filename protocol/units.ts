/**
 * Units: durations and sizes as people write and read them.
 *
 * Owns both directions and nothing else. Inside the program a duration is in ms and a size in bytes.
 */

const DURATIONS_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const BYTES: Readonly<Record<string, number>> = {
  TiB: 2 ** 40,
  GiB: 2 ** 30,
  MiB: 2 ** 20,
  KiB: 2 ** 10,
  TB: 1e12,
  GB: 1e9,
  MB: 1e6,
  kB: 1e3,
  B: 1
}

/** A duration as a person writes it. */
export const DURATION = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d) ?)+$/
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g
/** A size as a person writes it. */
export const SIZE = /^(\d{1,15}(?:\.\d{1,9})?) ?(TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)$/

/**
 * Returns a duration in ms, rounded to whole ones, or undefined when the text is none.
 *
 * @param text  One or more numbers with their units `d`, `h`, `m`, `s`, `ms`: `90s`, `1.5h`, `1h 30m`.
 * A number without a unit is refused: whether 90 means seconds or minutes is what people get wrong.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (!DURATION.test(trimmed)) return undefined
  const parts = [...trimmed.matchAll(DURATION_PART)]
  return Math.round(parts.reduce((sum, [, count, unit]) => sum + Number(count) * (DURATIONS_MS[unit ?? ''] ?? 0), 0))
}

/**
 * Returns a duration for people, in its two largest units: `1h 30m`, `3m 20s`, `12s`, `850ms`.
 *
 * @param ms  Finite; a negative one reads as 0. What is smaller than the second unit is cut, never rounded up.
 */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms))
  const units = Object.entries(DURATIONS_MS)
  const largest = units.findIndex(([, size]) => whole >= size)
  if (largest === -1) return '0s'
  // From a second on, ms are noise to a reader.
  const shown = units.slice(largest, largest + 2).filter(([unit]) => unit !== 'ms' || whole < 1000)
  let rest = whole
  const parts = shown.map(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return `${count}${unit}`
  })
  return parts.filter((part, i) => i === 0 || !part.startsWith('0')).join(' ')
}

/**
 * Returns a size in bytes, rounded to whole ones, or undefined when the text is none.
 *
 * @param text  A number with its unit: `20GiB`, `512 MiB`, `1.5TB`. Binary and decimal units both mean what they say.
 */
export function parseBytes(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (match === null) return undefined
  const bytes = Math.round(Number(match[1]) * (BYTES[match[2] ?? ''] ?? 0))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/**
 * Returns a size for people, in the largest binary unit that it fills: `24.0 GiB`, `512 B`.
 *
 * @param bytes  Finite; a negative one reads as 0.
 */
export function formatBytes(bytes: number): string {
  const whole = Math.max(0, Math.floor(bytes))
  const unit = ['TiB', 'GiB', 'MiB', 'KiB'].find(name => whole >= (BYTES[name] ?? 0))
  return unit === undefined ? `${whole} B` : `${(whole / (BYTES[unit] ?? 1)).toFixed(1)} ${unit}`
}
