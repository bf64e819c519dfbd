/**
 * Trains a small neural network to read handwritten digits: the program that hypersweep's demo runs.
 *
 * Owns all that it needs: it imports no package. Of hypersweep it knows three environment variables, each optional:
 * `HYPERSWEEP_PARAMETERS` (a JSON file), `HYPERSWEEP_SEED` (an integer) and `HYPERSWEEP_CHECKPOINT` (a folder).
 * Invariant: the same parameters and seed give the same numbers, also when it was interrupted and resumed.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** Every parameter with its default. A sweep may set any of them and no other. */
const DEFAULTS = {
  learning_rate: 0.1,
  batch_size: 32,
  /** Hidden units: more can learn more, and take longer. */
  hidden: 32,
  /** How much of the last step is taken again: 0 is plain gradient descent. */
  momentum: 0.9,
  /** Pull of every weight towards 0. */
  weight_decay: 0.0001,
  /** Share of the hidden units that is left out of each training step. */
  dropout: 0,
  epochs: 80
}

const PIXELS = 64
const CLASSES = 10
const BRIGHTEST = 16
const VALIDATION_DIGITS = 360
/** The split is the same for every seed, so that all trials of a sweep are judged by the same digits. */
const SPLIT_SEED = 1797
/** Below 0 a unit passes on this share. Units that pass nothing can die, and a dead network hides a divergence. */
const LEAK = 0.01
/** 128 + 15: how a shell reports an end by SIGTERM. */
const EXIT_TERMINATED = 143
const EXIT_USAGE = 2
const CHECKPOINT_FORMAT = 1

await main()

async function main() {
  const settings = readSettings()
  const seed = readSeed()
  const { training, validation } = readDigits()
  const folder = process.env.HYPERSWEEP_CHECKPOINT
  const run = newRun(settings, seed)
  if (folder) loadCheckpoint(folder, run)
  let isTerminated = false
  process.once('SIGTERM', () => {
    isTerminated = true
  })
  // A resumed run says its last line again: it may have been stopped before anybody read it.
  if (run.line !== null) process.stdout.write(`${run.line}\n`)
  while (run.epoch < settings.epochs && !isTerminated) {
    const train_loss = trainEpoch(run, training)
    run.epoch++
    run.line = toLine({ step: run.epoch, steps: settings.epochs, train_loss, ...judge(run, validation) })
    // The checkpoint comes first: a line that somebody has read is never taken back.
    if (folder) saveCheckpoint(folder, run)
    process.stdout.write(`${run.line}\n`)
    // Node hears of signals only between two turns of its event loop.
    await new Promise(resolve => setImmediate(resolve))
  }
  if (run.epoch < settings.epochs) process.exitCode = EXIT_TERMINATED
}

// Parameters

/** Returns the parameters: defaults, then the file, then `--name=value` flags. Anything unknown ends the program. */
function readSettings() {
  const file = process.env.HYPERSWEEP_PARAMETERS
  const given = file ? Object.entries(JSON.parse(readFileSync(file, 'utf8'))) : []
  for (const flag of process.argv.slice(2)) {
    const [, name, value] =
      /^--([a-z_]+)=(.+)$/.exec(flag) ?? refuse(`Flags look like --learning_rate=0.1, not ${flag}.`)
    given.push([name, Number(value)])
  }
  const settings = { ...DEFAULTS }
  for (const [name, value] of given) {
    if (!Object.hasOwn(DEFAULTS, name)) refuse(`There is no parameter ${name}. There are: ${Object.keys(DEFAULTS)}.`)
    settings[name] = value
  }
  check(settings)
  return settings
}

/** Ends the program when a value cannot be meant. */
function check(settings) {
  for (const name of Object.keys(settings)) {
    if (!(Number.isFinite(settings[name]) && settings[name] >= 0)) refuse(`${name} must be a number from 0 up.`)
  }
  for (const name of ['batch_size', 'hidden', 'epochs']) {
    if (!Number.isInteger(settings[name]) || settings[name] < 1) refuse(`${name} must be a whole number from 1 up.`)
  }
  if (settings.dropout >= 1) refuse('dropout must be below 1.')
}

function readSeed() {
  const seed = Number(process.env.HYPERSWEEP_SEED || 0)
  return Number.isSafeInteger(seed) ? seed : refuse('HYPERSWEEP_SEED must be an integer.')
}

function refuse(message) {
  process.stderr.write(`${message}\n`)
  process.exit(EXIT_USAGE)
}

// Data

/** Returns the two halves of the data, each as { pixels: numbers from 0 to 1, labels }. */
function readDigits() {
  const text = gunzipSync(readFileSync(new URL('digits.csv.gz', import.meta.url))).toString()
  const digits = text
    .trim()
    .split('\n')
    .map(line => line.split(',').map(Number))
  shuffle(digits, { random: SPLIT_SEED })
  return { training: pack(digits.slice(VALIDATION_DIGITS)), validation: pack(digits.slice(0, VALIDATION_DIGITS)) }
}

function pack(digits) {
  const pixels = Float64Array.from(digits.flatMap(digit => digit.slice(0, PIXELS).map(value => value / BRIGHTEST)))
  return { pixels, labels: Uint8Array.from(digits, digit => digit[PIXELS]) }
}

// Chance: one 32-bit state, so that a checkpoint can hold all of it. Source: Tommy Ettinger's mulberry32.

/** Returns a number from 0 (included) to 1 (excluded) and moves `source.random` on. */
function draw(source) {
  source.random = (source.random + 0x6d2b79f5) | 0
  let bits = Math.imul(source.random ^ (source.random >>> 15), source.random | 1)
  bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
  return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
}

/** Puts a list into a random order, in place. Source: Fisher and Yates. */
function shuffle(list, source) {
  for (let last = list.length - 1; last > 0; last--) {
    const other = Math.floor(draw(source) * (last + 1))
    const kept = list[last]
    list[last] = list[other]
    list[other] = kept
  }
}

// The network: 64 pixels, hidden units, 10 scores. One array holds all its weights, so that a step is one loop.

/** Returns a run before its first epoch. Source of the first weights: He et al., "Delving Deep into Rectifiers". */
function newRun(settings, seed) {
  const { hidden } = settings
  const run = {
    settings,
    seed,
    epoch: 0,
    random: seed | 0,
    line: null,
    weights: zeros(hidden),
    velocity: zeros(hidden)
  }
  const { first, second } = layers(run.weights, hidden)
  for (const [layer, inputs] of [
    [first, PIXELS],
    [second, hidden]
  ]) {
    const bound = Math.sqrt(6 / inputs)
    for (let index = 0; index < layer.length; index++) layer[index] = (2 * draw(run) - 1) * bound
  }
  return run
}

function zeros(hidden) {
  return new Float32Array(PIXELS * hidden + hidden + hidden * CLASSES + CLASSES)
}

/** Returns views of the four parts of all weights (or of their gradient): two layers, each with its biases. */
function layers(all, hidden) {
  const second = PIXELS * hidden + hidden
  return {
    first: all.subarray(0, PIXELS * hidden),
    firstBias: all.subarray(PIXELS * hidden, second),
    second: all.subarray(second, second + hidden * CLASSES),
    secondBias: all.subarray(second + hidden * CLASSES)
  }
}

/** Returns what the network holds while it looks at one digit. */
function makeNet(weights, hidden) {
  const kept = new Float64Array(hidden).fill(1)
  const units = new Float64Array(hidden)
  return { ...layers(weights, hidden), kept, units, blame: new Float64Array(hidden), scores: new Float64Array(CLASSES) }
}

/** Shows the network the digit that starts at `at`; fills `units` and `scores`. */
function forward({ first, firstBias, second, secondBias, kept, units, scores }, pixels, at) {
  const hidden = units.length
  units.set(firstBias)
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const value = pixels[at + pixel]
    const row = pixel * hidden
    for (let unit = 0; unit < hidden; unit++) units[unit] += value * first[row + unit]
  }
  scores.set(secondBias)
  for (let unit = 0; unit < hidden; unit++) {
    units[unit] *= (units[unit] < 0 ? LEAK : 1) * kept[unit]
    const row = unit * CLASSES
    for (let digit = 0; digit < CLASSES; digit++) scores[digit] += units[unit] * second[row + digit]
  }
}

/** Turns `scores` into their softmax and returns the cross-entropy loss: -log of what the true label got. */
function softmaxLoss(scores, label) {
  // The largest score is taken off first, or exp would overflow long before the training diverges.
  const largest = scores.reduce((a, b) => Math.max(a, b))
  let sum = 0
  for (let digit = 0; digit < CLASSES; digit++) sum += Math.exp(scores[digit] - largest)
  const loss = Math.log(sum) + largest - scores[label]
  for (let digit = 0; digit < CLASSES; digit++) scores[digit] = Math.exp(scores[digit] - largest) / sum
  return loss
}

/** Adds the gradient of one digit's loss; `net` has just seen that digit and `scores` hold the softmax. */
function backward({ second, kept, units, blame, scores }, gradient, pixels, at, label) {
  const hidden = units.length
  scores[label] -= 1
  for (let digit = 0; digit < CLASSES; digit++) gradient.secondBias[digit] += scores[digit]
  for (let unit = 0; unit < hidden; unit++) {
    const row = unit * CLASSES
    let sum = 0
    for (let digit = 0; digit < CLASSES; digit++) {
      sum += scores[digit] * second[row + digit]
      gradient.second[row + digit] += scores[digit] * units[unit]
    }
    blame[unit] = sum * (units[unit] < 0 ? LEAK : 1) * kept[unit]
    gradient.firstBias[unit] += blame[unit]
  }
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const value = pixels[at + pixel]
    const row = pixel * hidden
    for (let unit = 0; unit < hidden; unit++) gradient.first[row + unit] += value * blame[unit]
  }
}

// Training

/** Trains on every digit once, in a new random order, batch by batch; returns the mean loss. */
function trainEpoch(run, { pixels, labels }) {
  const { batch_size, hidden, dropout } = run.settings
  const net = makeNet(run.weights, hidden)
  const gradient = zeros(hidden)
  const parts = layers(gradient, hidden)
  const order = Uint32Array.from(labels.keys())
  shuffle(order, run)
  let loss = 0
  for (let start = 0; start < order.length; start += batch_size) {
    const batch = order.subarray(start, start + batch_size)
    gradient.fill(0)
    for (const index of batch) {
      if (dropout > 0) dropUnits(net.kept, dropout, run)
      forward(net, pixels, index * PIXELS)
      loss += softmaxLoss(net.scores, labels[index])
      backward(net, parts, pixels, index * PIXELS, labels[index])
    }
    descend(run, gradient, batch.length)
  }
  return loss / order.length
}

/** Chooses the units to leave out; the others count for more, so that the sum stays as large on average. */
function dropUnits(kept, dropout, source) {
  for (let unit = 0; unit < kept.length; unit++) kept[unit] = draw(source) < dropout ? 0 : 1 / (1 - dropout)
}

/** One step of stochastic gradient descent with momentum. Source: the form that PyTorch's `torch.optim.SGD` uses. */
function descend({ weights, velocity, settings }, gradient, count) {
  const { learning_rate, momentum, weight_decay } = settings
  for (let index = 0; index < weights.length; index++) {
    velocity[index] = momentum * velocity[index] + gradient[index] / count + weight_decay * weights[index]
    weights[index] -= learning_rate * velocity[index]
  }
}

/** Returns loss and accuracy on digits that the training has never seen. */
function judge({ weights, settings }, { pixels, labels }) {
  const net = makeNet(weights, settings.hidden)
  let loss = 0
  let right = 0
  for (const [index, label] of labels.entries()) {
    forward(net, pixels, index * PIXELS)
    if (net.scores.indexOf(Math.max(...net.scores)) === label) right++
    loss += softmaxLoss(net.scores, label)
  }
  return { val_loss: loss / labels.length, val_accuracy: right / labels.length }
}

/** Returns a line of JSON. JSON has no NaN: a number that is not finite is written as a string, "NaN" or "Infinity". */
function toLine(values) {
  const entries = Object.entries(values)
  const shown = entries.map(([name, value]) => [name, Number.isFinite(value) ? value : String(value)])
  return JSON.stringify(Object.fromEntries(shown))
}

// Checkpoints: all that the next epoch depends on, in one file.

/** Writes the checkpoint so that a crash at any moment leaves the old one or the new one, never half of one. */
function saveCheckpoint(folder, run) {
  // Base64 of the bytes, not decimal numbers: it is shorter, and it keeps NaN, which JSON would turn into null.
  const state = { format: CHECKPOINT_FORMAT, ...run, weights: toBase64(run.weights), velocity: toBase64(run.velocity) }
  mkdirSync(folder, { recursive: true })
  const file = openSync(join(folder, 'state.json.part'), 'w')
  writeFileSync(file, JSON.stringify(state))
  fsyncSync(file)
  closeSync(file)
  renameSync(join(folder, 'state.json.part'), join(folder, 'state.json'))
}

/** Takes up the run that the folder holds, unless it is of other parameters or another seed. Epochs may grow. */
function loadCheckpoint(folder, run) {
  const file = join(folder, 'state.json')
  if (!existsSync(file)) return
  const state = parse(readFileSync(file, 'utf8'))
  if (!continues(state, run)) {
    process.stderr.write(`${file} is not of this run: starting anew.\n`)
    return
  }
  Object.assign(run, { epoch: state.epoch, random: state.random, line: state.line })
  run.weights.set(fromBase64(state.weights))
  run.velocity.set(fromBase64(state.velocity))
}

/** Returns a file's state, or null when a full disk or a power cut has left something else in it. */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function continues(state, { settings, seed }) {
  if (state?.format !== CHECKPOINT_FORMAT || state.seed !== seed || state.epoch > settings.epochs) return false
  return Object.keys(settings).every(name => name === 'epochs' || settings[name] === state.settings[name])
}

function toBase64(numbers) {
  return Buffer.from(numbers.buffer).toString('base64')
}

function fromBase64(text) {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)
}
