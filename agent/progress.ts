/**
 * Progress: how far a running attempt is, and how long it still needs.
 *
 * Owns the one estimate that rules C5 and C11 go by: steps take equally long. What a peer says of itself is taken as it
 * is; it decides effort alone.
 */

/** `leftSeconds` and `share` are absent while nothing tells. */
export interface Progress {
  readonly seconds: number
  readonly leftSeconds?: number
  readonly share?: number
}

/**
 * Returns how far an attempt is.
 *
 * @param seconds  How long it has run.
 * @param step     Steps done, as its program tells; `steps`: steps in all.
 */
export function progressOf({
  seconds,
  step,
  steps
}: {
  readonly seconds: number
  readonly step?: number | undefined
  readonly steps?: number | undefined
}): Progress {
  if (step === undefined || steps === undefined || step <= 0 || steps < step) return { seconds }
  const share = step / steps
  return { seconds, share, leftSeconds: (seconds / share) * (1 - share) }
}
