/**
 * A source of devices: one way of looking at this machine's hardware.
 *
 * Owns the interface that each source fulfils; a new vendor is a new file with an `open…` function. Decides nothing.
 * Invariant: a fault of a device is a value in `Device.fault`; a source never throws for what hardware or drivers do.
 */
import type { Reading } from '../ports.js'

/** Where a source tells what happened to it: a constant message, and fields. */
export type Log = (message: string, fields: object) => void

/** Not to be read twice at the same time: whoever reads waits for the answer. */
export interface DeviceSource {
  /**
   * Returns the devices now, in an order that does not change. At least one; ids are unique. Never rejects.
   *
   * @param isIdle  Nobody is in a hurry: what this look has woken or holds awake may be let go of.
   */
  read(isIdle: boolean): Promise<readonly Reading[]>
  /** Returns the environment that binds a program to one device of this source. */
  environment(deviceId: string): Readonly<Record<string, string>>
  /** Lets go of everything; also ends a read that hangs. */
  close(): Promise<void>
}
