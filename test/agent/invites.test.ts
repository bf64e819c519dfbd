/**
 * The rules about invites (M3, M4), with a log and a keeper of plain values.
 */
import t from 'tap'
import { applyEntry, type Draft, LIMITS } from '#protocol'
import { type Candidate, createInvites, type Invite } from '../../agent/invites.js'
import { foldAll, founded, idFor, keyOf } from '../helpers/records.js'

const DAY_MS = 24 * 3600 * 1000

/** Invites of ann's machine a. Records count once they are flushed; `done` tells in which order things happened. */
function lab(kept: readonly Invite[] = []) {
  const ann = founded()
  const pool = foldAll(ann.entries)
  const invites = new Map(kept.map(invite => [invite.id, invite]))
  const queue: Draft[] = []
  const done: string[] = []
  const time = { now: 1000 }
  const admissions = () => ann.entries.filter(({ record }) => record.kind === 'member-admitted').slice(2)
  const rules = createInvites({
    keeper: {
      invites: () => [...invites.values()],
      saveInvite(invite) {
        done.push(invite.usedBy === undefined ? 'made' : 'marked')
        invites.set(invite.id, invite)
      }
    },
    log: {
      pool: () => pool,
      append: drafts => void queue.push(...drafts),
      async flushed() {
        await Promise.resolve()
        for (const draft of queue.splice(0)) {
          done.push('recorded')
          applyEntry(pool, ann.write(draft))
        }
      }
    },
    textOf: ({ seed }) => ({ id: idFor(seed), text: `text of ${seed}` }),
    isMembersMachine: (claim, signature) => signature === `${claim.pool}${claim.member} has ${claim.machine}`,
    onChange: () => done.push('told'),
    wall: () => time.now
  })
  return { rules, pool, invites, done, time, admissions }
}

function candidate(name: string, changes: Partial<Candidate> = {}): Candidate {
  const keys = { member: keyOf(`member ${name}`), machine: keyOf(`machine ${name}`), ...changes }
  return { memberName: name, machineName: 'desk', signature: `${keys.member} has ${keys.machine}`, ...keys }
}

t.test('an invite is kept before its text is given out, lives for a day, and is told of', async t => {
  const { rules, invites, done } = lab()
  const invite = rules.create()
  t.equal(invite.expiresAt, 1000 + DAY_MS)
  t.equal(LIMITS.inviteMs, DAY_MS)
  const kept = invites.get(invite.id)
  t.match(kept, { id: invite.id, expiresAt: invite.expiresAt, seed: /^[0-9a-f]{64}$/ })
  t.equal(invite.text, `text of ${kept?.seed}`)
  t.same(done, ['made', 'told'])
  t.not(rules.create().id, invite.id)
  t.same(rules.list()[0], { id: invite.id, expiresAt: invite.expiresAt }, 'the list gives no text away')
})

t.test('a machine is let in once its admission is durable, in the log, under the invite (M3)', async t => {
  const { rules, pool, done } = lab()
  const { id } = rules.create()
  const bo = candidate('dee')
  t.equal(await rules.admit(id, bo), 'admitted')
  t.same(done.slice(2), ['marked', 'recorded'], 'marked first: a crash costs an invite, not a second machine')
  t.match(pool.members.get(bo.member), { name: 'dee', role: 'member', machine: bo.machine, invite: id })
  t.match(rules.list(), [{ id, usedByName: 'dee (desk)' }])
})

t.test('the same machine may ask again and gets the same answer; another one is told that it is used (M4)', async t => {
  const { rules, admissions } = lab()
  const { id } = rules.create()
  t.equal(await rules.admit(id, candidate('dee')), 'admitted')
  t.equal(await rules.admit(id, candidate('dee')), 'admitted')
  t.equal(await rules.admit(id, candidate('eve')), 'used')
  t.equal(admissions().length, 1)
})

t.test('of two that come at once one is let in, and one that asks twice at once is let in once', async t => {
  const { rules, admissions } = lab()
  const [first, second] = [rules.create(), rules.create()]
  t.same(await Promise.all(['dee', 'eve'].map(name => rules.admit(first.id, candidate(name)))), ['admitted', 'used'])
  t.same(await Promise.all(['fay', 'fay'].map(name => rules.admit(second.id, candidate(name)))), [
    'admitted',
    'admitted'
  ])
  t.equal(admissions().length, 2)
})

t.test('whoever claims the machine that came first, under a key of their own, is another one', async t => {
  const { rules } = lab()
  const { id } = rules.create()
  const { machine } = candidate('dee')
  t.equal(await rules.admit(id, candidate('dee')), 'admitted')
  t.equal(await rules.admit(id, candidate('eve', { machine })), 'used', "dee's machine is known to many")
})

t.test('after a crash between mark and record the invite is lost, and nobody is told to be in who is not', async t => {
  const { machine, member } = candidate('dee')
  const invite = { id: idFor('lost'), seed: keyOf('seed'), expiresAt: 5000, usedBy: machine, usedByName: 'dee' }
  const { rules, pool } = lab([invite])
  t.equal(await rules.admit(invite.id, candidate('dee')), 'used')
  t.notOk(pool.members.has(member))
})

t.test('what does not hold is refused and costs nothing; what is over is told as such', async t => {
  const { rules, time, admissions } = lab()
  const { id, expiresAt } = rules.create()
  t.equal(await rules.admit(idFor('unknown'), candidate('dee')), 'refused')
  t.equal(await rules.admit(id, candidate('dee', { signature: 'forged' })), 'refused')
  const other = candidate('eve')
  t.equal(await rules.admit(id, { ...candidate('dee'), machine: other.machine }), 'refused', 'a machine of another')
  time.now = expiresAt
  t.equal(await rules.admit(id, candidate('dee')), 'expired')
  t.equal(admissions().length, 0)
  time.now = expiresAt - 1
  t.equal(await rules.admit(id, candidate('dee')), 'admitted', 'and until then it is good')
})

t.test('invites are answered while they live, used ones too', async t => {
  const { rules, time } = lab()
  const used = rules.create()
  time.now += 10
  const fresh = rules.create()
  await rules.admit(used.id, candidate('dee'))
  const answered = () => rules.open().map(({ id }) => id)
  t.same(answered(), [used.id, fresh.id])
  time.now = used.expiresAt
  t.same(answered(), [fresh.id])
  time.now = fresh.expiresAt
  t.same(answered(), [])
  t.equal(rules.list().length, 2, 'the list still shows them')
})
