import fc from 'fast-check'
import t from 'tap'
import { LIMITS } from '../../protocol/limits.js'
import { satisfies } from '../../protocol/search/constraint.js'
import { evaluate, namesIn, parseExpression } from '../../protocol/search/expression.js'

const PARAMETERS = { a: 6, b: 4, f: 0.5, on: true, opt: 'adam', none: null, 'model.depth': 3, 'batch-size': 8 }

/** The value of a text; the problem with its column when it cannot be read. */
function told(text: string): unknown {
  const parsed = parseExpression(text)
  return 'problem' in parsed ? `${parsed.column}: ${parsed.problem}` : evaluate(parsed.expression, PARAMETERS)
}

t.test('operators bind as in Python', async t => {
  const cases: [text: string, value: unknown][] = [
    ['1 + 2 * 3 - 4 / 2', 5],
    ['2 * (3 + 4) % 5', 4],
    ['-2 * -3 - -1', 7],
    ['8 - 3 - 2', 3],
    ['16 / 4 / 2', 2],
    ['-7 % 3', 2],
    ['7 % -3', -2],
    ['.5 + 1. + 1e-1', 1.6],
    ['a * b <= 24 and not b > a', true],
    ['false or true and false', false],
    ['not a == b', true],
    ['not on or on', true],
    ['max(a, b, 9) - min(a, b) + abs(-f)', 5.5],
    ['opt in [\'adam\', "sgd"] and a not in [1, 2]', true],
    ['none == null and on == true and opt != "sgd"', true],
    ['model.depth + `batch-size`', 11],
    ['"a" < "b"', true],
    ['1 == "1"', false],
    ['(((1)))', 1]
  ]
  for (const [text, value] of cases) t.equal(told(text), value, text)
})

t.test('what has no value has none, and breaks no machine', async t => {
  for (const text of ['1 / 0', 'opt + 1', 'a and true', 'not a', '-opt', 'a < opt', 'max(opt)', 'x', '1e308 * 10 > 1'])
    t.equal(told(text), undefined, text)
  t.equal(told('true or x'), true, 'what is decided already is not looked at')
})

t.test('what cannot be read is told with its column', async t => {
  const cases: [text: string, problem: string][] = [
    ['', '1: something is missing at the end'],
    ['a +', '4: something is missing at the end'],
    ['a b', '3: "b" is not expected here'],
    ['(a', '3: ")" is missing'],
    ['a < b < 3', '7: comparisons do not chain: write "a < b and b < c"'],
    ['a && b', '3: "&" means nothing here; write "and"'],
    ['a = b', '3: "=" means nothing here; write "=="'],
    ['a > "x', '5: " has no end'],
    ['sin(a) > 0', '1: "sin" is no function; there are min, max, abs'],
    ['a in 3', '6: "in" needs a list: write "in [1, 2]"'],
    ['abs(a, b)', '1: abs takes one number'],
    ['a not b', '3: "not" is not expected here'],
    ['min()', '5: ")" is not expected here'],
    ['a; b', '2: ";" means nothing here'],
    ['and', '1: "and" is not expected here'],
    ['('.repeat(100), `${LIMITS.constraintDepth + 1}: this is nested too deeply`],
    ['not '.repeat(100), `${4 * LIMITS.constraintDepth + 1}: this is nested too deeply`],
    ['1'.repeat(501), '1: more than 500 characters']
  ]
  for (const [text, problem] of cases) t.equal(told(text), problem, text.slice(0, 20))
})

t.test('names are told with their columns', async t => {
  const parsed = parseExpression('a + `b-c` in [d.e]')
  t.same('expression' in parsed && namesIn(parsed.expression).map(({ name, column }) => `${name}:${column}`), [
    ...['a:1', 'b-c:5', 'd.e:15']
  ])
})

t.test('whatever the text, it is read or told, and its value is one that a parameter may have', async () => {
  const piece = fc.constantFrom(
    ...['a', 'b', 'opt', '1', '0.5', '"x"', 'true', 'null', 'min', 'and', 'or', 'not', 'in', '==', '<', '+', '-', '*'],
    ...['/', '%', '(', ')', '[', ']', ',', ' ', '`', "'", '&', '__proto__', 'constructor', '1e999']
  )
  const soup = fc.array(piece, { maxLength: 30 }).map(pieces => pieces.join(' '))
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), text => {
      const parsed = parseExpression(text)
      if ('problem' in parsed) return parsed.column >= 1 && parsed.column <= text.length + 1
      const value = evaluate(parsed.expression, PARAMETERS)
      return value === undefined || value === null || ['boolean', 'number', 'string'].includes(typeof value)
    }),
    { numRuns: 2000 }
  )
})

t.test('a configuration satisfies what is true, and what speaks of a parameter that is not there', async t => {
  const allows = (constraints: string[], parameters = {}) =>
    satisfies({ constraints }, { ...PARAMETERS, ...parameters })
  t.equal(satisfies({}, PARAMETERS), true)
  t.equal(allows(['a > b', 'a * b <= 24']), true)
  t.equal(allows(['a > b', 'a * b < 24']), false)
  t.equal(allows(['momentum > 5']), true)
  t.equal(allows(['a']), false, 'a number is no truth')
  t.equal(allows(['a / f > opt']), false)
})
