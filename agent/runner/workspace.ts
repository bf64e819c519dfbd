/**
 * Workspace: the folder of one attempt.
 *
 * Owns the layout `<folder>/<id>/{work, checkpoint, parameters.json, metrics.jsonl, output.log}`, with W&B's files
 * beside them: makes it, clears it, and forgets the oldest. `work` is always a fresh copy of the bundle, never a link
 * to it: the program may write.
 */
import { chmod, constants, cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Configuration } from '#protocol'
import { wandbText } from './wandb.js'

/** Attempts whose output and checkpoint are kept on this machine: some days of work to look back on. */
const ATTEMPTS_KEPT = 200

export interface Workspace {
  readonly root: string
  /** The program's working directory. */
  readonly work: string
  readonly checkpoint: string
  readonly parameters: string
  readonly metrics: string
  readonly output: string
  /** The parameters once more, as W&B's library reads them. */
  readonly wandbParameters: string
  /** W&B's library makes a folder `wandb` in it, which stays as long as the output does. */
  readonly wandbFolder: string
}

/** Returns the paths of an attempt's workspace, absolute. */
export function workspaceOf(folder: string, id: string): Workspace {
  const root = resolve(folder, id)
  return {
    root,
    work: join(root, 'work'),
    checkpoint: join(root, 'checkpoint'),
    parameters: join(root, 'parameters.json'),
    metrics: join(root, 'metrics.jsonl'),
    output: join(root, 'output.log'),
    wandbParameters: join(root, 'wandb-parameters.yaml'),
    wandbFolder: root
  }
}

/**
 * Makes an attempt's workspace ready for its program.
 *
 * @param bundle  Folder of the bundle's files. They are copied; where the file system can, without taking space.
 * @param resume  True keeps the checkpoint, the metrics and the output of the earlier start; false removes them.
 * @param checkpoint  Folder of a checkpoint that came from elsewhere, if one did. It is moved, and is gone afterwards.
 * Errors:        those of the file system, such as `ENOSPC`.
 */
export async function prepareWorkspace(
  workspace: Workspace,
  options: { bundle: string; configuration: Configuration; resume: boolean; checkpoint?: string }
): Promise<void> {
  const { bundle, configuration, resume, checkpoint } = options
  await removeTree(resume && checkpoint === undefined ? workspace.work : workspace.root)
  if (checkpoint !== undefined) await move(checkpoint, workspace.checkpoint)
  await mkdir(workspace.checkpoint, { recursive: true })
  await cp(bundle, workspace.work, { recursive: true, mode: constants.COPYFILE_FICLONE })
  await makeWritable(workspace.work)
  await writeFile(workspace.parameters, `${JSON.stringify(configuration, null, 2)}\n`)
  await writeFile(workspace.wandbParameters, wandbText(configuration))
}

/** Removes the copy of the bundle and what the program wrote into it; output and checkpoint stay. */
export async function clearWorkspace(workspace: Workspace): Promise<void> {
  await removeTree(workspace.work)
}

/** Removes the attempts that ended longest ago, but for the last 200 and those that `isKept`. */
export async function forgetOldest(folder: string, isKept: (id: string) => boolean): Promise<void> {
  const names = (await readdir(folder)).filter(name => !isKept(name))
  if (names.length <= ATTEMPTS_KEPT) return
  const aged = await Promise.all(names.map(async name => ({ name, at: (await stat(join(folder, name))).mtimeMs })))
  aged.sort((a, b) => b.at - a.at || (a.name < b.name ? -1 : 1))
  for (const { name } of aged.slice(ATTEMPTS_KEPT)) {
    // Asked again: it may have been started while others were removed.
    if (!isKept(name)) await removeTree(join(folder, name))
  }
}

/** Where the two lie on different disks, copying is the only way. */
async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  try {
    await rename(from, to)
  } catch {
    await cp(from, to, { recursive: true })
    await removeTree(from)
  }
}

/** A folder that its owner may not write cannot be emptied: programs and bundles both bring such folders. */
async function removeTree(path: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3 } as const
  try {
    await rm(path, options)
  } catch {
    await makeWritable(path)
    await rm(path, options)
  }
}

/** Links are left alone: what they point at is not ours to change. */
async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700)
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await makeWritable(child)
    else if (entry.isFile()) await chmod(child, 0o600 | ((await stat(child)).mode & 0o100))
  }
}
