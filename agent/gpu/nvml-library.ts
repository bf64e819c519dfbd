/**
 * Where NVIDIA's management library is on this machine.
 *
 * Owns the search and nothing else; never loads what it finds, since loading may crash or hang.
 * Invariant: without a driver the list is empty, so that no process is started for nothing.
 */
import { existsSync } from 'node:fs'
import { win32 } from 'node:path'

const FILE = 'libnvidia-ml.so.1'

/** The usual folders: Debian, Red Hat and Arch, ARM, WSL's own, NixOS, containers. */
const FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib/wsl/lib',
  '/run/opengl-driver/lib',
  '/usr/local/nvidia/lib64'
]
/** There as long as NVIDIA's kernel module is loaded, wherever the library was installed. */
const KERNEL_MODULE = '/proc/driver/nvidia/version'

/** Returns the paths to try, best first; empty when there is no NVIDIA driver. */
export function findLibraries(): readonly string[] {
  switch (process.platform) {
    case 'linux':
      return onLinux()
    case 'win32':
      return onWindows().filter(path => existsSync(path))
    default:
      return []
  }
}

function onLinux(): readonly string[] {
  const found = FOLDERS.map(folder => `${folder}/${FILE}`).filter(path => existsSync(path))
  // The loader knows folders that we do not, and picks the one that fits the kernel module.
  return found.length > 0 || existsSync(KERNEL_MODULE) ? [FILE, ...found] : []
}

/** Absolute paths only: a bare name would load a file that somebody left in the current folder. */
function onWindows(): readonly string[] {
  const system = process.env['SystemRoot'] ?? 'C:\\Windows'
  const programs = process.env['ProgramFiles'] ?? 'C:\\Program Files'
  return [win32.join(system, 'System32', 'nvml.dll'), win32.join(programs, 'NVIDIA Corporation', 'NVSMI', 'nvml.dll')]
}
