/**
 * The version of this package, as its package.json has it. The same file is above the sources and above what is built.
 */
import { readFileSync } from 'node:fs'

export const VERSION = readVersion()

function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Record<
        string,
        string
      >
      if (name === 'hypersweep' && version !== undefined) return version
    } catch {
      // Built files lie one folder deeper than sources.
    }
  }
  return 'unknown'
}
