/**
 * The open logs: a log that will not grow is sealed, and is all there when it is needed again.
 */
import t from 'tap'
import { createLogList } from '../../agent/store/log-list.js'
import { createOpenLogs } from '../../agent/store/open-logs.js'
import { makeFreshLog } from '../../agent/store/own-logs.js'
import { createQuota } from '../../agent/store/quota.js'
import { openMachine } from '../helpers/log-machines.js'

t.test('a log is sealed once a later one of its machine began and it is done; reading opens it again', async t => {
  const machine = await openMachine(`${t.testdir({})}/home`)
  t.teardown(() => machine.store.close())
  await machine.log.close()
  const { store, membership, identity, keeper } = machine
  const list = createLogList({ pool: membership.pool, keeper, note: () => undefined })
  const done = new Set<string>()
  const logs = createOpenLogs({
    store,
    secret: membership.secret,
    list,
    quota: createQuota({ bytesPerDay: 1, levels: {}, wall: () => 0 }),
    isOwn: () => false,
    isAdmitted: () => true,
    reachOf: () => Number.POSITIVE_INFINITY,
    isDone: log => done.has(log.attestation.log),
    wholeSince: () => undefined,
    note: () => undefined,
    onGrown: () => undefined,
    onArrived: () => undefined,
    onConflict: () => undefined
  })
  const [first] = await logs.openAdmitted()
  if (!first) throw new Error('The log of the machine is known.')
  done.add(first.attestation.log)
  logs.sealWhole()
  t.notOk(first.isSealed(), 'it is the last of its machine')
  const fresh = await makeFreshLog({ store, membership, identity }, 2)
  const second = await logs.follow(fresh.attestation, fresh.core)
  logs.sealWhole()
  t.notOk(first.isSealed(), 'nothing stands in the later one yet')
  await second.append([new Uint8Array(3)])
  logs.sealWhole()
  t.ok(first.isSealed())
  t.notOk(second.isSealed())
  t.same([...logs.whole()], [[first.attestation.log, first.length()]])
  const [block] = await first.read(0, 1)
  t.ok(block, 'what it holds is still there')
  logs.sealWhole()
  await logs.reopenGrown([{ attestation: first.attestation, length: first.length() }])
  t.ok(first.isSealed(), 'nobody knows more')
  await logs.reopenGrown([{ attestation: first.attestation, length: first.length() + 1 }])
  t.notOk(first.isSealed())
})
