/**
 * The truths that every keeper must hold, the real one and the simulated one alike.
 *
 * Owns no keeper: each test hands over how to open one. Opening again stands for a crash: nothing is closed in order.
 */
import type { Test } from 'tap'
import type { Draft } from '#protocol'
import type { Keeper } from '../../agent/ports.js'

export interface KeeperHarness {
  /** Opens the keeper of the same machine once more, as after a crash. */
  open(): Keeper
  /** Returns a result as the core hands it over; the same number gives the same one. */
  result(nth: number): Draft
  /** Lets every write fail from now on, or succeed again, as a full disk does; absent where there is no disk. */
  fill?(isFull: boolean): void
}

/** Checks one kind of keeper. `name` says which, in the titles. */
export function keeperContract(t: Test, name: string, begin: (t: Test) => KeeperHarness): void {
  t.test(`keeper contract: ${name}`, async t => {
    t.test('a keeper that was given nothing has nothing', async t => {
      const { approved, results } = begin(t).open().load()
      t.same([approved, results], [[], []])
    })

    t.test('what was saved is there after a crash, each once', async t => {
      const harness = begin(t)
      const keeper = harness.open()
      for (const digest of ['b', 'a', 'b']) keeper.saveApproval(digest.repeat(64))
      keeper.saveResult('sweep-1-1', harness.result(1))
      keeper.saveResult('sweep-0-1', harness.result(2))
      const { approved, results } = harness.open().load()
      t.same([...approved].sort(), ['a'.repeat(64), 'b'.repeat(64)])
      t.same(byId(results), [
        { id: 'sweep-0-1', draft: harness.result(2) },
        { id: 'sweep-1-1', draft: harness.result(1) }
      ])
      t.same(byId(keeper.load().results), byId(results), 'and before it')
    })

    t.test('a result that was dropped is gone, the others stay, and dropping again is harmless', async t => {
      const harness = begin(t)
      const keeper = harness.open()
      keeper.saveResult('sweep-0-1', harness.result(1))
      keeper.saveResult('sweep-0-2', harness.result(2))
      for (const id of ['sweep-0-1', 'sweep-0-1', 'never-saved']) keeper.dropResult(id)
      t.same(harness.open().load().results, [{ id: 'sweep-0-2', draft: harness.result(2) }])
    })

    t.test('what could not be saved leaves what was saved before, and can be saved later', async t => {
      const harness = begin(t)
      if (!harness.fill) return
      const keeper = harness.open()
      keeper.saveApproval('a'.repeat(64))
      keeper.saveResult('sweep-0-1', harness.result(1))
      harness.fill(true)
      t.throws(() => keeper.saveApproval('b'.repeat(64)))
      t.throws(() => keeper.saveResult('sweep-0-1', harness.result(2)))
      for (const each of [keeper, harness.open()]) {
        t.same(each.load().approved, ['a'.repeat(64)])
        t.same(each.load().results, [{ id: 'sweep-0-1', draft: harness.result(1) }])
      }
      harness.fill(false)
      keeper.saveResult('sweep-0-1', harness.result(2))
      t.same(harness.open().load().results, [{ id: 'sweep-0-1', draft: harness.result(2) }])
    })

    t.test('of two results under one id the later one counts', async t => {
      const harness = begin(t)
      harness.open().saveResult('sweep-0-1', harness.result(1))
      harness.open().saveResult('sweep-0-1', harness.result(2))
      t.same(harness.open().load().results, [{ id: 'sweep-0-1', draft: harness.result(2) }])
    })
  })
}

function byId<T extends { readonly id: string }>(results: readonly T[]): T[] {
  return [...results].sort((a, b) => (a.id < b.id ? -1 : 1))
}
