import t from 'tap'
import { toldPosition } from '../../protocol/position.js'
import { stoppingSchema } from '../../protocol/stopping-spec.js'

t.test('epochs and tokens are told under the names that trainers print', async t => {
  t.equal(toldPosition('epochs', { loss: 2, epoch: 0.33 }), 0.33)
  t.equal(toldPosition('tokens', { loss: 2, num_tokens: 5e6, epoch: 0.33 }), 5e6)
  t.equal(toldPosition('tokens', { 'train/num_input_tokens_seen': 4096 }), 4096)
  t.equal(toldPosition('epochs', { 'train/epoch': 1 }), 1)
  t.same([toldPosition('epochs', { loss: 2 }), toldPosition('epochs', { epoch: -1 })], [undefined, undefined])
  t.same([toldPosition('steps', { epoch: 1 }), toldPosition('reports', { epoch: 1 })], [undefined, undefined])
})

t.test('only epochs have parts', async t => {
  const isRule = (more: object) => stoppingSchema.safeParse({ rule: 'asha', eta: 3, ...more }).success
  t.ok(isRule({ unit: 'epochs', minSteps: 0.5, warmUpSteps: 0 }))
  t.ok(isRule({ unit: 'tokens', minSteps: 5 }))
  for (const wrong of [{ minSteps: 0.5 }, { minSteps: 0 }, { unit: 'tokens', warmUpSteps: 1.5 }, { maxSteps: -1 }])
    t.notOk(isRule(wrong), JSON.stringify(wrong))
})
