/**
 * Pauses: how the owner of this machine takes it, or one of its devices, back for a while.
 *
 * Owns making and ending them, and what becomes of the attempts that run there. Each is written down first: a pause
 * outlives this process. Which devices are held by one is in owner.ts.
 */
import { LIMITS } from '#protocol'
import type { Charge, Local } from './local.js'
import { type Pause, type PauseRequest, pausesNow } from './owner.js'
import type { Clock, Keeper, KeptPause, Runner } from './ports.js'
import type { Step } from './step.js'

export interface PausesParts {
  readonly clock: Clock
  readonly keeper: Pick<Keeper, 'savePauses'>
  readonly runner: Pick<Runner, 'stop'>
  readonly local: Local
  readonly stop: (step: Omit<Step & { do: 'stop' }, 'do'>, nowMs: number) => void
  readonly step: () => void
}

/** Returns what pauses and resumes a machine. */
export function createPauses({ clock, keeper, runner, local, stop, step }: PausesParts) {
  function set(pauses: readonly Pause[]): void {
    keeper.savePauses(pauses.map(keptFrom))
    local.pauses = pauses
  }

  /** Monotonic time means nothing to the next process. */
  function keptFrom({ device, untilMs }: Pause): KeptPause {
    return {
      ...(device === undefined ? {} : { device }),
      ...(untilMs === undefined ? {} : { untilWallMs: clock.wall() + untilMs - clock.now() })
    }
  }

  function pauseFrom({ device, untilWallMs }: KeptPause): Pause {
    return {
      ...(device === undefined ? {} : { device }),
      ...(untilWallMs === undefined ? {} : { untilMs: clock.now() + untilWallMs - clock.wall() })
    }
  }

  function end(charge: Charge, graceMs: number): void {
    if (charge.phase === 'running') stop({ charge, reason: 'owner', graceMs }, clock.now())
    // It was told to end with more time than there is now.
    else if (charge.phase === 'stopping') runner.stop(charge.id, charge.stopReason ?? 'owner', graceMs)
  }

  return {
    /** What an earlier process was told. */
    takeUp(kept: readonly KeptPause[]): void {
      local.pauses = kept.map(pauseFrom)
    },

    /**
     * Takes no more work on this machine, or on one of its devices; a pause of the same replaces the one before. What
     * runs there is ended as asked. Returns how many attempts are.
     */
    pause({ device, forMs, how }: PauseRequest): number {
      const now = clock.now()
      const pause: Pause = {
        ...(device === undefined ? {} : { device }),
        ...(forMs === undefined ? {} : { untilMs: now + forMs })
      }
      set([...pausesNow(local, now).filter(each => each.device !== device), pause])
      const isMeant = (charge: Charge) => device === undefined || charge.device === device
      const ended = how === 'finish' ? [] : [...local.charges.values()].filter(isMeant)
      for (const charge of ended) end(charge, how === 'now' ? LIMITS.pauseNowGraceMs : local.rules.graceMs)
      step()
      return ended.length
    },

    /** Ends the pause of a device, or every one. */
    resume(device?: string): void {
      set(device === undefined ? [] : pausesNow(local, clock.now()).filter(each => each.device !== device))
      step()
    }
  }
}
