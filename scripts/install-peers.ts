import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Installs what a folder's own lock file names, unless just that is there already. Programs of others have locks of their own, so
 * that nobody who only uses Arctos installs them.
 */
export function installPeers(folder: string): void {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const wanted: Record<string, { version?: string; optional?: boolean }> = JSON.parse(lock).packages
  const isInstalled = Object.entries(wanted).every(([path, { version, optional }]) => {
    const file = join(folder, path, 'package.json')
    if (path === '' || (optional === true && !existsSync(file))) return true
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version
  })
  if (isInstalled) return
  // The runner brings its own Node; what npm thinks of the one that it runs on does not matter.
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', ['ci', ...options], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}
