/**
 * The reserve and the watch over the disk, with a disk of made-up size: what is given up, when, and what is told.
 */
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { LIMITS } from '#protocol'
import type { DiskNews } from '../../agent/local.js'
import { type DiskOptions, openDisk } from '../../agent/store/disk.js'
import { diskError, diskFaultOf, freeBytesAt } from '../../agent/store/disk-fault.js'
import { openReserve } from '../../agent/store/reserve.js'

const MiB = 2 ** 20
const full = (code = 'ENOSPC') => Object.assign(new Error(`${code}: the disk takes nothing`), { code })

/** A home on a disk of `bytes`, of which others take some; the reserve's file is really written. */
function madeUp(t: Test, bytes: number, options: Partial<DiskOptions> = {}) {
  const home = t.testdir({})
  const path = join(home, 'reserve')
  const held = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const state = { others: 0, refuses: undefined as string | undefined, told: [] as DiskNews[], notes: [] as string[] }
  const freeBytes = () => bytes - state.others - held()
  const tryWrite = () => {
    if (state.refuses !== undefined) throw full(state.refuses)
  }
  const disk = openDisk({
    home,
    reserveBytes: 8 * MiB,
    floorBytes: 10 * MiB,
    pollMs: 5,
    onDisk: news => void state.told.push(news),
    note: message => void state.notes.push(message),
    freeBytes,
    tryWrite,
    ...options
  })
  t.teardown(() => disk.close())
  return { home, disk, state, held, freeBytes, path }
}

/** A file of that size: where nothing is measured, a hole will do. */
function hold(path: string, bytes: number): void {
  writeFileSync(path, '')
  truncateSync(path, bytes)
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

t.test('a reserve grows in the background, of bytes that are written and cannot be compressed', async t => {
  const home = t.testdir({})
  const reserve = openReserve({ home, bytes: MiB, keepFreeBytes: 0, note: () => undefined })
  t.equal(reserve.bytes(), 0, 'opening writes nothing')
  reserve.refill()
  reserve.refill()
  t.ok(reserve.bytes() < MiB, 'nor does it hold up whoever asks')
  await reserve.settled()
  t.equal(reserve.bytes(), MiB)
  const path = join(home, 'reserve')
  t.ok(statSync(path).blocks * 512 >= MiB, 'no hole')
  t.ok(gzipSync(readFileSync(path)).length > 0.99 * MiB)
  if (process.platform !== 'win32') t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(
    [reserve.giveUp(1000), reserve.giveUp(0), reserve.giveUp(2 * MiB), reserve.giveUp(1)],
    [1000, 0, MiB - 1000, 0]
  )
  t.equal(reserve.bytes(), 0)
})

t.test('a reserve takes none of what must stay free, and stops when others take it', async t => {
  const { path, held } = madeUp(t, 0)
  let others = 0
  const reserve = openReserve({
    home: join(path, '..'),
    bytes: 8 * MiB,
    keepFreeBytes: 2.5 * MiB,
    note: () => undefined,
    freeBytes: () => 3 * MiB - held() - others
  })
  reserve.refill()
  await reserve.settled()
  t.equal(reserve.bytes(), 0.5 * MiB)
  others = 3 * MiB
  reserve.giveUp(MiB)
  reserve.refill()
  await reserve.settled()
  t.equal(reserve.bytes(), 0)
})

t.test('a reserve that should be smaller is cut at the start; one that should not be is removed', async t => {
  const home = t.testdir({})
  hold(join(home, 'reserve'), 3 * MiB)
  const open = (bytes: number) => openReserve({ home, bytes, keepFreeBytes: 0, note: () => undefined })
  t.equal(open(2 * MiB).bytes(), 2 * MiB)
  t.equal(open(0).bytes(), 0)
  t.throws(() => statSync(join(home, 'reserve')), { code: 'ENOENT' })
})

t.test(
  'a small write on a full disk costs one step of the reserve, and only then fails when nothing is left',
  async t => {
    const { disk, path, held, state } = madeUp(t, 100 * MiB)
    hold(path, 8 * MiB)
    const needs = (bytes: number) => () => {
      if (held() > bytes) throw full()
      return 'written'
    }
    t.equal(disk.write(needs(8 * MiB)), 'written')
    t.equal(held(), 8 * MiB, 'nothing is given up that is not needed')
    t.equal(disk.write(needs(8 * MiB - 1)), 'written')
    t.equal(held(), 8 * MiB - LIMITS.reserveStepBytes)
    t.same(state.notes, ['the disk is full: gave up a part of the reserve'])
    t.throws(() => disk.write(needs(-1)), {
      code: 'DISK_FULL',
      message: /is full/,
      hint: /free/,
      cause: { code: 'ENOSPC' }
    })
    t.equal(held(), 0)
    hold(path, MiB)
    const readOnly = () => {
      throw full('EROFS')
    }
    t.throws(() => disk.write(readOnly), { code: 'DISK_READ_ONLY' })
    t.equal(held(), MiB, 'no room helps there')
    t.throws(
      () =>
        disk.write(() => {
          throw full('EACCES')
        }),
      { code: 'EACCES' },
      'what is no trouble of the disk is told as it is'
    )
  }
)

t.test('the store opens with what that takes; the files keep their share unless it is the last resort', async t => {
  const small = LIMITS.storeRoomBytes + LIMITS.reserveForFilesBytes
  for (const [needed, left] of [
    [0, LIMITS.reserveForFilesBytes + LIMITS.storeRoomBytes - 4 * MiB],
    [30 * MiB, LIMITS.reserveForFilesBytes],
    [LIMITS.storeRoomBytes + 1, undefined]
  ] as const) {
    const { disk, path, held, freeBytes } = madeUp(t, small, { reserveBytes: small })
    hold(path, small)
    let tries = 0
    const opening = disk.open(async () => {
      tries++
      if (freeBytes() < needed) throw new Error('Batch was not applied', { cause: full() })
      return 'open'
    })
    if (left === undefined) await t.rejects(opening, { code: 'DISK_FULL' })
    else {
      t.equal(await opening, 'open')
      t.equal(held(), left)
    }
    t.ok(tries <= 3)
  }
})

t.test('each look tells what is free; the reserve grows from the second on, and only while there is room', async t => {
  const { disk, state, held, path } = madeUp(t, 30 * MiB)
  disk.look()
  t.same(state.told, [{ freeBytes: 30 * MiB }])
  t.equal(held(), 0, 'a start has better things to do')
  await until(() => held() === 8 * MiB)
  state.others = 20 * MiB
  hold(path, 0)
  const { length } = state.told
  await until(() => state.told.length > length + 3)
  t.equal(held(), 0)
  t.same(state.told.at(-1), { freeBytes: 10 * MiB })
})

t.test('after a failed write the disk is looked at soon, not within it, and until a write succeeds', async t => {
  const { disk, state } = madeUp(t, 30 * MiB, { pollMs: 1e6 })
  state.others = 25 * MiB
  disk.look()
  state.refuses = 'ENOSPC'
  disk.onFault(new Error('no such trial'))
  disk.onFault(full())
  t.equal(state.told.length, 1, 'whoever failed is in the middle of something')
  await until(() => state.told.length > 1)
  t.same(state.told.at(-1), { freeBytes: 5 * MiB, fault: 'ENOSPC' })
  state.refuses = undefined
  disk.look()
  t.same(state.told.at(-1), { freeBytes: 5 * MiB })
})

t.test('a disk that refuses although it has room is left alone for a while: a quota', async t => {
  const { disk, state } = madeUp(t, 30 * MiB, { pollMs: 1e6 })
  disk.look()
  disk.onFault(full('EDQUOT'))
  disk.look()
  t.match(state.told.at(-1), { fault: 'EDQUOT' }, 'a small write succeeds, and says nothing')
})

t.test('a disk without a byte is full, whatever its floor, and is written to as soon as it has room', async t => {
  const { disk, state } = madeUp(t, 30 * MiB, { pollMs: 1e6, floorBytes: 0, reserveBytes: 0 })
  disk.look()
  state.others = 30 * MiB
  disk.onFault(full())
  state.others = 0
  disk.look()
  t.same(state.told.at(-1), { freeBytes: 30 * MiB })
})

t.test('room for the log is made at once, but for the share of the files', async t => {
  const { disk, state, path, held } = madeUp(t, 80 * MiB, { reserveBytes: 72 * MiB })
  hold(path, 72 * MiB)
  state.others = 8 * MiB
  disk.onFault(new Error('Batch was not applied', { cause: full() }), LIMITS.storeRoomBytes)
  t.equal(held(), 72 * MiB - LIMITS.storeRoomBytes)
  disk.onFault(full(), 80 * MiB)
  t.equal(held(), LIMITS.reserveForFilesBytes)
})

t.test('a fault of the disk is found behind what wraps it, and told in words with what is free', async t => {
  t.equal(diskFaultOf(new Error('outer', { cause: new Error('inner', { cause: full('EDQUOT') }) })), 'EDQUOT')
  t.equal(diskFaultOf(new Error('While appending to file: 4.log: No space left on device')), 'ENOSPC')
  for (const error of [new Error('x'), full('ENOENT'), 'ENOSPC', undefined]) t.equal(diskFaultOf(error), undefined)
  const circle = new Error('circle')
  circle.cause = circle
  t.equal(diskFaultOf(circle), undefined)
  const home = t.testdir({})
  for (const [fault, code, message] of [
    ['ENOSPC', 'DISK_FULL', /is full: .*iB are free/],
    ['EDQUOT', 'DISK_FULL', /quota/],
    ['EROFS', 'DISK_READ_ONLY', /read-only/]
  ] as const) {
    const error = diskError(home, fault, full(fault))
    t.match(error, { code, message })
    t.match(error.message, home)
    t.equal(diskFaultOf(error), fault, 'and is found again')
  }
  t.ok((freeBytesAt(home) ?? 0) > 0)
  t.equal(freeBytesAt(join(home, 'nowhere')), undefined)
})
