/**
 * A fake NVIDIA driver for tests: builds test/fixtures/fake-nvml.c, and says which cards there are.
 *
 * Owns the library and its configuration, both in a folder of the test. Never touches a real driver.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openProbe } from '../../agent/gpu/probe.js'
import type { Device, Reading } from '../../agent/ports.js'

export const NO_COMPILER = 'there is no gcc to build the fake driver with'
export const MIB = 1024 ** 2
export const POLL_MS = 10

export const FIRST = 'GPU-aaaaaaaa-1111-4222-8333-444444444444'
export const SECOND = 'GPU-bbbbbbbb-1111-4222-8333-444444444444'
export const THIRD = 'GPU-cccccccc-1111-4222-8333-444444444444'

/** Returns the configuration of one card: an RTX 4090, but for what `more` says. */
export const card = (uuid: string, more = '') => `[gpu]
uuid=${uuid}
name=NVIDIA GeForce RTX 4090
total_mib=24564
reserved_mib=400
used_mib=1000
capability=8.9
celsius=41
milliwatts=20500
${more}
`
export const TWO = card(FIRST) + card(SECOND, 'used_mib=16000\npercent=97\ncelsius=71\nmilliwatts=390000')

/** Lets this test's child processes find the fake's configuration in `folder`, and start fast. */
export function useFakeDriver(folder: string): void {
  process.env['FAKE_NVML_CONFIG'] = configurationIn(folder)
  delete process.env['HYPERSWEEP_NVML_LIBRARY']
  // A child inherits these flags. It starts in half the time with tsx than with tap's own compiler and mocks.
  process.execArgv = process.execArgv
    .filter(flag => !flag.includes('@tapjs/mock'))
    .map(flag => (flag.includes('@tapjs/typescript') ? '--import=tsx' : flag))
}

/** Replaces the hardware. By renaming, so that the fake never reads half a file. */
export function plug(folder: string, configuration: string): void {
  writeFileSync(`${configurationIn(folder)}.new`, configuration)
  renameSync(`${configurationIn(folder)}.new`, configurationIn(folder))
}

/** Builds a fake driver. Returns its path, or undefined where there is no compiler. */
export function buildFakeDriver(folder: string, name: string, ...flags: string[]): string | undefined {
  const source = fileURLToPath(new URL('../fixtures/fake-nvml.c', import.meta.url))
  const library = join(folder, `${name}.so.1`)
  try {
    execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', ...flags, '-o', library, source], { stdio: 'pipe' })
    return library
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Opens the probe on a library, and keeps what it tells. `teardown`: where to leave its end. */
export async function watch(
  library: string,
  options: { readonly teardown: (end: () => Promise<void>) => void; readonly systemFolder: string }
) {
  const logs: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  let latest: readonly Reading[] = []
  let wake: () => void = () => undefined
  const probe = await openProbe({
    libraries: [library],
    pollMs: POLL_MS,
    systemFolder: options.systemFolder,
    log: (message, fields) => logs.push({ message, fields: { ...fields } }),
    onReadings: readings => {
      latest = readings
      wake()
    }
  })
  options.teardown(() => probe.close())
  const devices = () => latest.map(({ device }) => device)
  return {
    probe,
    devices,
    readings: () => latest,
    /** Every value that a field of the log has had. */
    logged: (field: string) => logs.map(each => each.fields[field]).filter(value => value !== undefined),
    async until(holds: (devices: readonly Device[]) => boolean) {
      while (!holds(devices())) {
        await new Promise<void>(resolve => {
          wake = () => resolve(undefined)
        })
      }
      return devices()
    }
  }
}

/** Writes files and links as in `/sys`: a text for each path, and a target for each link. */
export function writeTree(folder: string, files: Readonly<Record<string, string>>, links = {}): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${text}\n`)
  }
  for (const [path, target] of Object.entries<string>(links)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    symlinkSync(target, join(folder, path))
  }
}

function configurationIn(folder: string): string {
  return join(folder, 'cards.ini')
}
