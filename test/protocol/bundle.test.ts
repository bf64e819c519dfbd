import fc from 'fast-check'
import t from 'tap'
import {
  bundleProblems,
  bytesIn,
  decodeManifest,
  digestOf,
  encodeManifest,
  LIMITS,
  type Manifest,
  pathProblem
} from '#protocol'
import { keyOf } from '../helpers/records.js'

const file = (path: string, bytes = 1) => ({ path, executable: false, bytes, digest: keyOf(path) })

/** Paths that could leave the workspace, or mean another file elsewhere, each with a word of its refusal. */
const HOSTILE: readonly (readonly [path: string, problem: RegExp])[] = [
  ['', /empty part/],
  ['/etc/passwd', /empty part/],
  ['a//b', /empty part/],
  ['a/', /empty part/],
  ['.', /"\."/],
  ['..', /"\.\."/],
  ['../../.ssh/authorized_keys', /"\.\."/],
  ['a/../../b', /"\.\."/],
  ['a/./b', /"\."/],
  ['..\\..\\windows', /one of/],
  ['C:\\windows\\win.ini', /one of/],
  ['C:evil', /one of/],
  ['file.txt:stream', /one of/],
  ['what?', /one of/],
  ['a|b', /one of/],
  ['train.py ', /dot or a space/],
  ['train.py.', /dot or a space/],
  ['a /b', /dot or a space/],
  ['.../b', /dot or a space/],
  ['con', /device/],
  ['src/NUL.txt', /device/],
  ['com1', /device/],
  ['com¹.log', /device/],
  ['LPT9.tar.gz', /device/],
  ['aux .txt', /device/],
  ['CONOUT$', /device/],
  ['a\u0000b', /control character/],
  ['a\nb', /control character/],
  ['\u001b[2J', /control character/],
  ['safe\u202etxt.exe', /control character/],
  ['\ufefftrain.py', /control character/],
  ['cafe\u0301.py', /NFC/],
  ['\u212a.py', /NFC/],
  ['a'.repeat(LIMITS.pathPartBytes + 1), /part longer/],
  ['é'.repeat(LIMITS.pathPartBytes / 2 + 1), /part longer/],
  [Array.from({ length: LIMITS.pathBytes / 2 + 1 }, () => 'a').join('/'), /longer than/]
]

const FINE = [
  'train.py',
  'src/model.py',
  '.env.example',
  'console.log',
  'com',
  'com10',
  'a b',
  'a#1.py',
  'café.py',
  '日本/語.py',
  '...a'
]

t.test('paths: what could leave the workspace or mean another file is refused (rule B2)', async t => {
  for (const [path, problem] of HOSTILE) t.match(pathProblem(path) ?? '', problem, JSON.stringify(path).slice(0, 40))
  for (const path of FINE) t.equal(pathProblem(path), undefined, path)
})

t.test('paths: whatever passes stays below its folder, in a text of its own', async () => {
  const part = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.constantFrom('..', '.', '', 'a', 'b\\c', '~'))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), parts => {
      const path = parts.join('/')
      if (pathProblem(path) !== undefined) return true
      const { pathname } = new URL(parts.map(encodeURIComponent).join('/'), 'file:///workspace/')
      return pathname.startsWith('/workspace/') && pathname.length > '/workspace/'.length && !path.includes('\\')
    }),
    { numRuns: 2000 }
  )
})

t.test('bundles: clashes and sizes (rule B3)', async t => {
  const problems = (...files: Manifest) => bundleProblems(files).join(' ')
  t.equal(problems(file('train.py'), file('src/train.py')), '')
  t.match(problems(file('Train.py'), file('train.py')), /differ in upper and lower case only/)
  t.match(problems(file('a'), file('a')), /"a" and "a"/)
  t.match(problems(file('a'), file('a/b/c')), /"a" is a file and a folder/)
  t.match(problems(file('A/b'), file('a/B/c')), /file and a folder/, 'on a disk that does not tell A from a')
  t.match(problems(file('a', LIMITS.bundleBytes), file('b', 1)), /64\.0 MiB; 64 MiB is the limit/)
  const many = Array.from({ length: LIMITS.bundleFiles + 1 }, (_, n) => file(`f${n}`))
  t.match(problems(...many), /2001 files; 2000 is the limit/)
  t.match(problems(file('../a')), /The path "\.\.\/a" has the part "\.\."\./)
})

t.test('the digest does not depend on the order in which a folder was listed', async t => {
  const files = ['b.py', 'a.py', 'Z.py', 'é.py', 'dir/a.py', 'dir.py'].map(path => file(path))
  const digest = digestOf(encodeManifest(files))
  fc.assert(
    fc.property(fc.shuffledSubarray(files, { minLength: files.length }), shuffled => {
      return digestOf(encodeManifest(shuffled)) === digest
    })
  )
  const changes = [{ path: 'c.py' }, { executable: true }, { bytes: 2 }, { digest: keyOf('other') }]
  for (const change of changes) {
    const [first = file('b.py'), ...rest] = files
    const changed = digestOf(encodeManifest([{ ...first, ...change }, ...rest]))
    t.not(changed, digest, `another ${Object.keys(change).join()} is another bundle`)
  }
})

t.test('decodeManifest: only what was approved, of the right shape, without a problem (rule B1)', async t => {
  const files = [file('a.py', 3), file('b.py', 4)]
  const text = encodeManifest(files)
  t.same(decodeManifest(text, digestOf(text)), { files })
  t.equal(bytesIn(files), 7)
  t.match(decodeManifest(text, keyOf('other')), { problem: /digest that was approved/ })
  const read = (other: string) => decodeManifest(other, digestOf(other))
  t.match(read('[{'), { problem: /no JSON/ })
  t.match(read('[]'), { problem: /shape/ }, 'a bundle without files runs nothing')
  t.match(read('[{"path":"a"}]'), { problem: /shape/ })
  t.match(read(encodeManifest([file('../a')])), { problem: /"\.\."/ })
  t.match(read(encodeManifest([{ ...file('a'), bytes: LIMITS.bundleBytes + 1 }])), { problem: /shape/ })
})

t.test('decodeManifest never throws', async t => {
  const odd = fc.oneof(fc.string({ unit: 'binary' }), fc.json({ maxDepth: 4 }))
  const text = encodeManifest([file('a.py'), file('b.py')])
  const damaged = fc.tuple(fc.nat(text.length), fc.string({ maxLength: 3 })).map(([at, put]) => text.slice(0, at) + put)
  fc.assert(
    fc.property(fc.oneof(odd, damaged), other => {
      const read = decodeManifest(other, digestOf(other))
      return 'problem' in read !== 'files' in read
    }),
    { numRuns: 3000 }
  )
  t.match(decodeManifest('['.repeat(1e6), digestOf('['.repeat(1e6))), { problem: /no JSON/ })
})
