import t, { type Test } from 'tap'
import { digestOfFolder, readFolder, withoutSweepFiles } from '../../agent/store/bundle-folder.js'

const NAMES = ['sweep.yaml', 'next.yaml']
const CODE = { 'train.py': 'import json', 'README.md': 'hypersweep submit sweep.yaml', 'model.yaml': 'a: 1' }

function packed(t: Test, files: Record<string, string>, command = ['python', 'train.py']) {
  const read = withoutSweepFiles(readFolder(t.testdir(files), 'code'), { names: NAMES, command })
  return { digest: digestOfFolder(read), paths: read.files.map(({ path }) => path), contents: read.contents.size }
}

t.test('code stays the same code when a sweep file changes or comes beside it', async t => {
  const before = packed(t, { ...CODE, 'sweep.yaml': 'one' })
  t.same(before.paths, ['README.md', 'model.yaml', 'train.py'])
  t.equal(before.contents, 3)
  t.same(packed(t, { ...CODE, 'sweep.yaml': 'two', 'next.yaml': 'three' }), before)
})

t.test('a sweep file travels where the program may read it, or there is nothing else', async t => {
  const files = { ...CODE, 'sweep.yaml': 'one', 'next.yaml': 'two' }
  t.ok(packed(t, files, ['python', 'train.py', '--config=sweep.yaml']).paths.includes('sweep.yaml'))
  const named = packed(t, { ...files, 'train.py': 'open("next.yaml")' }).paths
  t.same([named.includes('next.yaml'), named.includes('sweep.yaml')], [true, false])
  t.same(packed(t, { 'sweep.yaml': 'one' }).paths, ['sweep.yaml'])
})
