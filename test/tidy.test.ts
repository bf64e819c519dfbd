import { homedir } from 'node:os'
import { dirname } from 'node:path'
import t from 'tap'
import { ERROR_EXITS, RECORD_KINDS } from '#protocol'
import {
  BANS,
  exportedModules,
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  headerOf,
  impurities,
  LINE_CHARS_MAX,
  leftovers,
  machinePaths,
  missingHeader,
  oversizes,
  undocumented,
  unmentioned,
  WORDS,
  wordsOf,
  wrongNames,
  wrongTexts
} from './helpers/house-style.js'
import { fileAt, filesIn, ROOT, type SourceFile } from './helpers/source-files.js'

const SOURCE = filesIn(['protocol', 'agent', 'cli'], ['.ts'])
const TESTS = filesIn(['test'], ['.ts'])
const PAGES = filesIn(['docs', 'README.md'], ['.md', '.yaml', '.py'])
const CORE_MODULES =
  'agent backup beat choice conflict early local pick plan ports progress reclaim requirements result step'
const CORE = CORE_MODULES.split(' ').map(name => `agent/${name}.ts`)
const PURE = SOURCE.filter(({ path }) => path.startsWith('protocol/') || CORE.includes(path))
/** Folders of whoever works here: the repository's, the one around it, and the home. */
const PLACES = [ROOT, `${dirname(ROOT)}/`, `${homedir()}/`].filter(folder => !/^\/*$/.test(folder))

const file = (text: string, path = 'protocol/made-up.ts'): SourceFile => ({ path, text })
const lines = (count: number, line = '  x()') => Array.from({ length: count }, () => line).join('\n')

t.test('there is something to check', async t => {
  t.ok(PURE.length > 20 && SOURCE.length > 50 && TESTS.length > 10)
  for (const path of CORE) t.ok(fileAt(path), path)
})

t.test('the pure parts know no time, no chance, no waiting, and no number that engines disagree on', async t => {
  t.same(PURE.flatMap(impurities), [])
})

t.test('self-test: each ban bites and says what to use instead', async t => {
  const uses: Readonly<Record<string, string>> = {
    await: 'export async function f () { await g() }',
    async: 'export const f = async () => 1',
    'Math.random': 'export const f = () => Math.random()',
    localeCompare: "export const f = (a: string) => a.localeCompare('b')"
  }
  for (const [name, instead] of Object.entries(BANS)) {
    const problems = impurities(file(uses[name] ?? `export const f = () => ${name}.x(new ${name}(), ${name})`))
    t.ok(
      problems.some(problem => problem.startsWith(`protocol/made-up.ts:1 uses ${name}: ${instead}`)),
      name
    )
  }
  for (const name of ['log', 'exp', 'pow', 'sin', 'cos', 'tan'])
    t.match(impurities(file(`const x = Math.${name}(1)`)), [/use \+ - x \/ sqrt/], name)
  t.same(impurities(file('const x = Math.sqrt(2) + Math.floor(1.5)')), [])
  t.same(impurities(file('interface A { readonly process: number }; const a = (b: A) => b.process')), [])
})

t.test('self-test: what a search computes and records may be approximate, where its header says so', async t => {
  const said = '/**\n * A law. What it computes is recorded by the claimer, never recomputed.\n */\n'
  t.same(impurities(file(`${said}const x = Math.exp(1)`, 'protocol/search/law.ts')), [])
  t.equal(impurities(file('const x = Math.exp(1)', 'protocol/search/law.ts')).length, 1)
  t.equal(impurities(file(`${said}const x = Math.exp(1)`)).length, 1, 'elsewhere it may not')
  t.equal(impurities(file(`${said}const x = Math.random()`, 'protocol/search/law.ts')).length, 1)
})

t.test('files, functions and lines are short', async t => {
  t.same([...SOURCE, ...TESTS].flatMap(oversizes), [])
})

t.test('self-test: what is too long is found, and a maker is not as long as what it makes', async t => {
  t.match(oversizes(file(lines(FILE_LINES_MAX + 1))), [/has 401 lines/])
  t.same(oversizes(file(`${lines(FILE_LINES_MAX)}\n`)), [])
  t.match(oversizes(file('x'.repeat(LINE_CHARS_MAX + 1))), [/:1 has 121 characters/])
  t.same(oversizes(file(`const message = '${'x'.repeat(LINE_CHARS_MAX)}'`)), [], 'a message cannot be broken')
  t.equal(oversizes(file(`const message = 'x' // ${'x'.repeat(LINE_CHARS_MAX)}`)).length, 1)
  const long = `function f () {\n${lines(FUNCTION_LINES_MAX - 1)}\n}`
  t.match(oversizes(file(long)), [/function of 61 lines/])
  t.same(oversizes(file(`function f () {\n${lines(FUNCTION_LINES_MAX - 2)}\n}`)), [])
  const maker = (inside: number) =>
    `function make () {\n  return {\n    a () {\n${lines(inside)}\n    },\n    b () {\n${lines(50)}\n    }\n  }\n}`
  t.same(oversizes(file(maker(50))), [])
  t.match(oversizes(file(maker(60))), [/:3 is a function of 62 lines/])
})

t.test('every module begins with what it owns', async t => {
  const modules = [...SOURCE, ...TESTS.filter(({ path }) => !path.endsWith('.test.ts'))]
  t.same(modules.flatMap(missingHeader), [])
})

t.test('self-test: a module without a header is found', async t => {
  t.equal(missingHeader(file('/**\n * Hashes: names of values.\n */\nexport {}')).length, 0)
  t.equal(missingHeader(file('#!/usr/bin/env node\n/**\n * The command.\n */')).length, 0)
  t.equal(missingHeader(file("import t from 'tap'\n/** Late. */")).length, 1)
  t.equal(missingHeader(file('/** */')).length, 1)
  t.equal(headerOf(file('/**\n * One.\n *\n * Two.\n */\n')), 'One.\n\nTwo.')
})

t.test('every function that the protocol exports is explained', async t => {
  const face = fileAt('protocol/index.ts')
  t.ok(face)
  t.same(face ? undocumentedBehind(face) : [], [])
})

/** Follows a face to what it exports, through faces of its own. */
function undocumentedBehind(face: SourceFile, names?: ReadonlySet<string>): string[] {
  const behind = exportedModules(face).flatMap(({ path, names: taken }) => {
    const module = fileAt(path)
    return module ? undocumentedBehind(module, taken) : [`${face.path} exports ${path}, which is not there.`]
  })
  return [...undocumented(face, names), ...behind]
}

t.test('self-test: a function without a comment is found, behind its face as well', async t => {
  t.match(undocumented(file('export function f () {}')), [/:1 exports f without/])
  t.match(undocumented(file('export const f = () => 1')), [/exports f without/])
  t.same(undocumented(file('/** Returns one. */\nexport function f () {}\nfunction g () {}\nexport const x = 1')), [])
  t.same(undocumented(file('export function f () {}'), new Set(['g'])), [], 'this one is not taken')
  t.same(exportedModules(file("export * from './pool/pool.js'\nexport { a, b as c } from '../agent/x.js'")), [
    { path: 'protocol/pool/pool.ts' },
    { path: 'agent/x.ts', names: new Set(['a', 'b']) }
  ])
  t.match(undocumentedBehind(file("export * from './nowhere.js'")), [/protocol\/nowhere\.ts, which is not there/])
})

t.test('one word, one meaning: exported names and texts for people', async t => {
  t.same(SOURCE.flatMap(wrongNames), [])
  t.same(filesIn(['cli'], ['.ts']).flatMap(wrongTexts), [])
})

t.test('self-test: a word that the glossary does not know is found', async t => {
  for (const [word, instead] of Object.entries(WORDS)) {
    t.match(wrongNames(file(`export const my${word[0]?.toUpperCase()}${word.slice(1)}s = 1`)), [instead], word)
    t.match(wrongTexts(file(`const brief = 'Lists each ${word}.'`)), [instead], word)
  }
  t.same(wrongNames(file('export const workers = 1', 'agent/mesh/x.ts')).length, 1)
  t.same(wrongNames(file('export const openSwarm = 1', 'agent/mesh/mesh.ts')), [])
  t.match(wrongTexts(file(['const brief = `All $', '{n} workers of it`'].join(''))), [/worker/])
  t.same(wrongTexts(file("const brief = 'Its address: host:port'")), [])
  t.same(wrongTexts(file("import { userInfo } from 'node:os'\nconst key = 'user'")), [], 'a key is no text')
  t.same(wordsOf('rankedTrials').concat(wordsOf('RECORD_KINDS')), ['ranked', 'trials', 'record', 'kinds'])
})

for (const [path, what, names] of [
  ['docs/protocol.md', 'record kind', RECORD_KINDS],
  ['docs/trouble.md', 'error code', Object.keys(ERROR_EXITS)]
] as const) {
  const page = fileAt(path)
  t.test(`${path} describes each ${what}`, page ? {} : { skip: `${path} is not written yet` }, async t => {
    t.same(page ? unmentioned(page, names) : [], [])
  })
}

t.test('self-test: what a page leaves out is found', async t => {
  const page = file('## `trial-claimed`\ntrial-released', 'docs/protocol.md')
  t.match(unmentioned(page, ['trial-claimed', 'trial-released']), [/does not describe `trial-released`/])
})

t.test('nothing is left for later, and nothing names this machine', async t => {
  const all = [
    ...SOURCE,
    ...TESTS,
    ...PAGES,
    ...['package.json', 'tsconfig.json', '.taprc'].flatMap(path => fileAt(path) ?? [])
  ]
  t.same(all.flatMap(leftovers), [])
  t.same(
    all.flatMap(each => machinePaths(each, PLACES)),
    []
  )
})

t.test('self-test: work left for later and paths of a machine are found', async t => {
  t.match(leftovers(file(`// ${'FIX'}${'ME'}: later`)), [/:1 leaves work for later/])
  t.same(leftovers(file('// the method is done, todos is a word')), [])
  const paths = (text: string) => machinePaths(file(text), ['/home/ann/', '/srv/code/'])
  t.equal(paths("open('/home/ann/pool')").length, 1)
  t.equal(paths('cd /srv/code/main').length, 1)
  t.same(paths('join(`$' + '{home}/home/ann/x`); "a/home/ann/b"'), [], 'these are relative')
})
