/**
 * Expressions: a rule over parameters as text, read and computed by nobody but this file.
 *
 * Owns the grammar: numbers, texts, `true`, `false`, `null`, names, `+ - * / %`, comparisons, `in [...]`, `and`, `or`,
 * `not`, parentheses, and the functions `min`, `max`, `abs`. Never runs what a peer wrote as code.
 * Invariant: every machine computes the same, since nothing but + - x / is computed; reading and computing end.
 */
import { LIMITS } from '../limits.js'
import type { Parameters, ParameterValue } from '../parameter.js'

export type Operator = 'or' | 'and' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%'
const FUNCTIONS = ['min', 'max', 'abs'] as const

export type Expression =
  | { readonly kind: 'value'; readonly value: ParameterValue }
  | { readonly kind: 'name'; readonly name: string; readonly column: number }
  | { readonly kind: 'not' | 'minus'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly operator: Operator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly of: Expression; readonly items: readonly Expression[]; readonly isNot: boolean }
  | { readonly kind: 'call'; readonly name: (typeof FUNCTIONS)[number]; readonly items: readonly Expression[] }

/** What an expression is, or what is wrong with it and where; columns count from 1. */
export type ParsedExpression =
  | { readonly expression: Expression }
  | { readonly problem: string; readonly column: number }

interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'sign' | 'end'
  readonly text: string
  readonly column: number
}

const TOKEN =
  /\s*(?:(?<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|(?<text>"[^"]*"|'[^']*')|(?<name>[A-Za-z_]\w*(?:\.\w+)*|`[^`]+`)|(?<sign>[=!<>]=|[<>+*/%()[\],-]))/y
/** What other languages write, and what is written here. */
const FOREIGN: Readonly<Record<string, string>> = { '&': 'and', '|': 'or', '!': 'not', '=': '==', '^': 'x * x' }
const WORDS = ['and', 'or', 'not', 'in', 'true', 'false', 'null']

/** How tightly each binds. */
const BINDING: Readonly<Record<string, number>> = {
  ...{ or: 1, and: 2, in: 4, not: 4, '==': 4, '!=': 4, '<': 4, '<=': 4, '>': 4, '>=': 4 },
  ...{ '+': 5, '-': 5, '*': 6, '/': 6, '%': 6 }
}
const [NOT_BINDING, COMPARISON_BINDING, MINUS_BINDING] = [3, 4, 7]

interface Reading {
  readonly tokens: readonly Token[]
  position: number
  depth: number
  problem?: { readonly problem: string; readonly column: number }
}

/**
 * Returns the expression in a text.
 *
 * Names with other characters than letters, digits, `_` and dots stand in backquotes. Comparisons do not chain.
 * Source: Pratt, "Top Down Operator Precedence", 1973.
 */
export function parseExpression(text: string): ParsedExpression {
  if (text.length > LIMITS.constraintChars) {
    return { problem: `more than ${LIMITS.constraintChars} characters`, column: 1 }
  }
  const tokens: Token[] = []
  for (let at = 0; at < text.trimEnd().length; ) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) return unreadable(text, at)
    const [kind = 'sign', token = ''] = Object.entries(match.groups ?? {}).find(([, each]) => each !== undefined) ?? []
    tokens.push({ kind: kind as Token['kind'], text: token, column: TOKEN.lastIndex - token.length + 1 })
    at = TOKEN.lastIndex
  }
  tokens.push({ kind: 'end', text: '', column: text.trimEnd().length + 1 })
  const reading: Reading = { tokens, position: 0, depth: 0 }
  const expression = readExpression(reading, 0)
  if (expression && peek(reading).kind !== 'end') fail(reading, `"${peek(reading).text}" is not expected here`)
  return reading.problem ?? (expression ? { expression } : { problem: 'nothing to read', column: 1 })
}

function unreadable(text: string, from: number): ParsedExpression {
  const rest = text.slice(from).trimStart()
  const sign = rest.charAt(0)
  const instead = FOREIGN[sign]
  const isOpen = ['"', "'", '`'].includes(sign)
  const problem = isOpen ? `${sign} has no end` : `"${sign}" means nothing here`
  return { problem: `${problem}${instead ? `; write "${instead}"` : ''}`, column: text.length - rest.length + 1 }
}

/** Returns undefined after a problem, which is kept in `reading`: the first one. */
function readExpression(reading: Reading, binding: number): Expression | undefined {
  if (++reading.depth > LIMITS.constraintDepth) return fail(reading, 'this is nested too deeply')
  let left = readOperand(reading)
  for (;;) {
    const operator = peek(reading)
    const next = operator.kind === 'name' || operator.kind === 'sign' ? (BINDING[operator.text] ?? 0) : 0
    if (left === undefined || next <= binding) break
    reading.position++
    left = readAfter(reading, left, operator)
    const after = BINDING[peek(reading).text]
    if (left && next === COMPARISON_BINDING && after === next) {
      left = fail(reading, 'comparisons do not chain: write "a < b and b < c"')
    }
  }
  reading.depth--
  return left
}

function readOperand(reading: Reading): Expression | undefined {
  const token = peek(reading)
  reading.position++
  if (token.kind === 'number') return { kind: 'value', value: Number(token.text) }
  if (token.kind === 'text') return { kind: 'value', value: token.text.slice(1, -1) }
  if (token.text === '(') return closed(reading, readExpression(reading, 0), ')')
  if (token.text === '-') return wrapped('minus', readExpression(reading, MINUS_BINDING))
  if (token.text === 'not') return wrapped('not', readExpression(reading, NOT_BINDING))
  if (token.kind === 'name') return readName(reading, token)
  reading.position--
  return fail(
    reading,
    token.kind === 'end' ? 'something is missing at the end' : `"${token.text}" is not expected here`
  )
}

function readName(reading: Reading, { text, column }: Token): Expression | undefined {
  if (text.startsWith('`')) return { kind: 'name', name: text.slice(1, -1), column }
  if (text === 'true' || text === 'false') return { kind: 'value', value: text === 'true' }
  if (text === 'null') return { kind: 'value', value: null }
  if (WORDS.includes(text)) return fail(reading, `"${text}" is not expected here`, column)
  if (peek(reading).text !== '(') return { kind: 'name', name: text, column }
  const name = FUNCTIONS.find(each => each === text)
  if (name === undefined) return fail(reading, `"${text}" is no function; there are ${FUNCTIONS.join(', ')}`, column)
  reading.position++
  const items = readItems(reading, ')')
  if (items && name === 'abs' && items.length !== 1) return fail(reading, 'abs takes one number', column)
  return items && { kind: 'call', name, items }
}

function readAfter(reading: Reading, left: Expression, { text, column }: Token): Expression | undefined {
  if (text !== 'in' && text !== 'not') {
    const right = readExpression(reading, BINDING[text] ?? 0)
    return right && { kind: 'binary', operator: text as Operator, left, right }
  }
  if (text === 'not' && !accept(reading, 'in')) return fail(reading, '"not" is not expected here', column)
  if (!accept(reading, '[')) return fail(reading, '"in" needs a list: write "in [1, 2]"')
  const items = readItems(reading, ']')
  return items && { kind: 'in', of: left, items, isNot: text === 'not' }
}

function readItems(reading: Reading, end: string): Expression[] | undefined {
  const items: Expression[] = []
  do {
    const item = readExpression(reading, 0)
    if (item === undefined) return undefined
    items.push(item)
  } while (accept(reading, ','))
  return closed(reading, items, end)
}

function closed<Value>(reading: Reading, value: Value | undefined, end: string): Value | undefined {
  if (value === undefined || accept(reading, end)) return value
  return fail(reading, `"${end}" is missing`)
}

function wrapped(kind: 'not' | 'minus', of: Expression | undefined): Expression | undefined {
  return of && { kind, of }
}

function accept(reading: Reading, text: string): boolean {
  const token = peek(reading)
  const isThere = token.text === text && token.kind !== 'text'
  if (isThere) reading.position++
  return isThere
}

const END: Token = { kind: 'end', text: '', column: 1 }

function peek({ tokens, position }: Reading): Token {
  return tokens[position] ?? tokens.at(-1) ?? END
}

function fail(reading: Reading, problem: string, column = peek(reading).column): undefined {
  reading.problem ??= { problem, column }
  return undefined
}

/** Returns the parameters that an expression names, with their columns. */
export function namesIn(expression: Expression): readonly { readonly name: string; readonly column: number }[] {
  switch (expression.kind) {
    case 'value':
      return []
    case 'name':
      return [expression]
    case 'not':
    case 'minus':
      return namesIn(expression.of)
    case 'binary':
      return [...namesIn(expression.left), ...namesIn(expression.right)]
    case 'in':
      return [expression.of, ...expression.items].flatMap(namesIn)
    case 'call':
      return expression.items.flatMap(namesIn)
  }
}

/**
 * Returns the value of an expression; undefined when it has none: a name is unknown, a text is added to a number, `and`
 * joins what is no truth value, something is divided by 0 or leaves what a double holds.
 *
 * The remainder has the sign of the divisor, as in Python.
 */
export function evaluate(expression: Expression, parameters: Parameters): ParameterValue | undefined {
  const valueIn = (each: Expression) => evaluate(each, parameters)
  switch (expression.kind) {
    case 'value':
      return expression.value
    case 'name':
      return Object.hasOwn(parameters, expression.name) ? parameters[expression.name] : undefined
    case 'not': {
      const of = valueIn(expression.of)
      return typeof of === 'boolean' ? !of : undefined
    }
    case 'minus': {
      const of = valueIn(expression.of)
      return typeof of === 'number' ? -of : undefined
    }
    case 'binary':
      return binary(expression.operator, valueIn(expression.left), () => valueIn(expression.right))
    case 'in': {
      const of = valueIn(expression.of)
      return of === undefined ? undefined : expression.items.some(item => valueIn(item) === of) !== expression.isNot
    }
    case 'call': {
      const numbers = expression.items.map(valueIn).filter(each => typeof each === 'number')
      return numbers.length === expression.items.length ? Math[expression.name](...(numbers as [number])) : undefined
    }
  }
}

type Value = ParameterValue | undefined

function binary(operator: Operator, left: Value, right: () => Value): Value {
  if (operator === 'and' || operator === 'or') {
    if (typeof left !== 'boolean' || left === (operator === 'or')) return typeof left === 'boolean' ? left : undefined
    const other = right()
    return typeof other === 'boolean' ? other : undefined
  }
  const other = right()
  if (left === undefined || other === undefined) return undefined
  if (operator === '==' || operator === '!=') return (left === other) === (operator === '==')
  if (typeof left === 'number' && typeof other === 'number') return ofNumbers(operator, left, other)
  return typeof left === 'string' && typeof other === 'string' ? compared(operator, left, other) : undefined
}

function ofNumbers(operator: Operator, left: number, right: number): Value {
  const result = arithmetic(operator, left, right)
  if (result === undefined) return compared(operator, left, right)
  return Number.isFinite(result) ? result : undefined
}

function arithmetic(operator: Operator, left: number, right: number): number | undefined {
  if (operator === '+') return left + right
  if (operator === '-') return left - right
  if (operator === '*') return left * right
  if (operator === '/') return left / right
  if (operator !== '%') return undefined
  const rest = left % right
  return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest
}

function compared<Kind extends number | string>(operator: Operator, left: Kind, right: Kind): boolean | undefined {
  if (operator === '<') return left < right
  if (operator === '<=') return left <= right
  if (operator === '>') return left > right
  return operator === '>=' ? left >= right : undefined
}
