/**
 * Reference: what Optuna found, from a file or from Optuna itself.
 *
 * Owns the file's shape: `{"comparisons": […]}`, each with the version in `optuna` and else as main.ts prints it.
 * Medians and bands are taken as they stand there; nothing is computed again.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { compared, openMethod, PROBLEMS } from './compare.js'
import { optunaPython } from './optuna.js'

const schema = z.object({
  comparisons: z.array(
    z.object({
      optuna: z.string(),
      problem: z.string(),
      method: z.string(),
      pending: z.int(),
      at: z.array(
        z.object({
          trials: z.int(),
          median: z.number(),
          low: z.number(),
          high: z.number(),
          /** Missing in older files. */
          tried: z.number().optional()
        })
      )
    })
  )
})

/** What one of Optuna's samplers reached on a problem. `optuna`: its version. */
export type Reference = z.output<typeof schema>['comparisons'][number]

/** Returns what a file holds. Errors: it cannot be read, or is none of these. */
export function storedReferences(path: string): readonly Reference[] {
  return schema.parse(JSON.parse(readFileSync(path, 'utf8'))).comparisons
}

/** Plays samplers of the Optuna that is installed; nothing where none is, which is said. */
export async function playedReferences(
  samplers: readonly string[],
  { pending, seeds, trials }: { readonly pending: readonly number[]; readonly seeds: number; readonly trials: number }
): Promise<readonly Reference[]> {
  const found: Reference[] = []
  const { version } = optunaPython()
  for (const method of version === undefined ? [] : samplers) {
    const asker = openMethod(method)
    if (!asker) continue
    for (const problem of PROBLEMS)
      for (const each of pending) {
        const { at } = await compared(asker, { method, problem, pending: each, seeds, trials })
        found.push({ optuna: version ?? '', problem: problem.name, method, pending: each, at: [...at] })
      }
    asker.close?.()
  }
  return found
}
