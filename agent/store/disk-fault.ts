/**
 * Disk faults: telling a disk that takes no writes from everything else that can fail.
 *
 * Owns what such a failure is called and what a person reads. A full disk is no reason to think that a file is damaged.
 */
import { statfsSync } from 'node:fs'
import { formatBytes, LIMITS, PoolError } from '#protocol'

/** No room (or no inodes), a quota that is used up, no writing at all. */
export type DiskFault = 'ENOSPC' | 'EDQUOT' | 'EROFS'

/** How deep causes are looked at: libraries wrap an error a few times. */
const CAUSES_MAX = 8

/** Returns why a disk did not take a write; nothing when an error tells of something else. Looks at causes as well. */
export function diskFaultOf(error: unknown): DiskFault | undefined {
  let each = error
  for (let depth = 0; each instanceof Error && depth < CAUSES_MAX; depth++) {
    const code = 'code' in each ? each.code : undefined
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS') return code
    // The store's database tells some of them in words alone.
    if (/no space left on device/i.test(each.message)) return 'ENOSPC'
    if (/disk quota exceeded/i.test(each.message)) return 'EDQUOT'
    each = each.cause
  }
  return undefined
}

/** Returns the bytes that this person may still write on the disk of a path; nothing when nobody can tell. */
export function freeBytesAt(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return undefined
  }
}

/** Returns the error that a person sees when the disk of a folder has the fault. `cause`: what failed, if anything. */
export function diskError(folder: string, fault: DiskFault, cause?: unknown): PoolError {
  const free = freeBytesAt(folder)
  const room = free === undefined ? '' : `: ${formatBytes(free)} are free`
  switch (fault) {
    case 'EROFS':
      return new PoolError('DISK_READ_ONLY', `The disk of ${folder} is read-only.`, {
        hint: 'Systems make a disk with faults read-only: look at their messages (`dmesg`), then mount it anew.',
        cause
      })
    case 'EDQUOT':
      return new PoolError('DISK_FULL', `Your quota on the disk of ${folder} is used up${room}.`, {
        hint: 'Remove what you do not need there, or ask whoever gives out the quota for more.',
        cause
      })
    case 'ENOSPC':
      return new PoolError('DISK_FULL', `The disk of ${folder} is full${room}.`, {
        hint: `Make at least ${formatBytes(LIMITS.storeRoomBytes)} free there. If more is free already, look at \`df -i\`.`,
        cause
      })
  }
}
