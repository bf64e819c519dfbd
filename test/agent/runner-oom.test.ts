/**
 * Whose memory ran out, and what a program did otherwise than it was told: by the words of real frameworks.
 */
import t from 'tap'
import { LIMITS } from '#protocol'
import { createChanges } from '../../agent/runner/changes.js'
import { oomOf } from '../../agent/runner/oom.js'

const GIB = 2 ** 30

t.test('PyTorch names who holds what', async t => {
  const alone =
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 11.75 GiB ' +
    'of which 1.20 GiB is free. Including non-PyTorch memory, this process has 10.50 GiB memory in use. Of the ' +
    'allocated memory 10.12 GiB is allocated by PyTorch, and 96.44 MiB is reserved by PyTorch but unallocated.'
  t.same(oomOf(alone, false), { kind: 'intrinsic', heldBytes: 10.5 * GIB })
  const beside = (other: string) => alone.replace('Including', `Process 4242 has ${other} memory in use. Including`)
  t.same(oomOf(beside('500.00 MiB'), false), { kind: 'intrinsic', heldBytes: 10.5 * GIB }, 'a desktop')
  t.same(oomOf(beside('4.00 GiB'), false), { kind: 'contention', heldBytes: 10.5 * GIB }, 'a game')
  const two = beside('600.00 MiB memory in use. Process 77 has 700.00 MiB')
  t.match(oomOf(two, false), { kind: 'contention' }, 'several count together')
  t.same(oomOf('CUDA error: out of memory', false), { kind: 'intrinsic' }, 'words without numbers')
  t.same(oomOf('MemoryError', true), { kind: 'host' })
})

t.test('a batch size that a framework lowers is told, once', async t => {
  const changes = createChanges({ per_device_train_batch_size: 8, learning_rate: 1e-4 })
  for (const size of [8, 4, 4, 2])
    changes.read(`[INFO|trainer.py:2137] Currently training with a batch size of: ${size}`)
  t.same(changes.found(), ['the batch size was 4, not 8', 'the batch size was 2, not 8'])
  for (let size = 100; size < 120; size++) changes.read(`Decreasing batch size to: ${size}.`)
  t.equal(changes.found().length, LIMITS.changesPerResult)
})

t.test('what the parameters do not name counts from its first mention on', async t => {
  const changes = createChanges({})
  changes.read('Currently training with a batch size of: 16')
  t.same(changes.found(), [])
  changes.read('Currently training with a batch size of: 8')
  t.same(changes.found(), ['the batch size was 8, not 16'])
})

t.test("Unsloth's banner says what it really does", async t => {
  const banner = 'O^O/ \\_/ \\    Batch size per device = 6 | Gradient accumulation steps = 8'
  const changes = createChanges({ batch_size: 6, gradient_accumulation_steps: 4 })
  changes.read(banner)
  t.same(changes.found(), ['the gradient accumulation was 8, not 4'])
})
