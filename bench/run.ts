// npm run bench -- NAME [--check]: installs what the benches need, measures, prints one table.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatReport, isMissed, type Report, verdict } from './report.ts'

const benches: Readonly<Record<string, () => Promise<{ readonly measure: () => Promise<Report> }>>> = {
  start: () => import('./start.ts'),
  token: () => import('./token.ts'),
  install: () => import('./install.ts'),
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } })
const [name = ''] = positionals
const bench = Object.hasOwn(benches, name) && positionals.length === 1 ? benches[name] : undefined
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME [--check]\nNAME is one of: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
installPeers()
const report = await (await bench()).measure()
console.log(formatReport(report))
console.log(verdict(report.figures))
if (values.check === true && report.figures.some(isMissed)) process.exitCode = 1

/** The peers have a lock file of their own, so that nobody who only uses Arctos installs them. */
function installPeers(): void {
  const folder = import.meta.dirname
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const wanted: Record<string, { version?: string }> = JSON.parse(lock).packages
  const isInstalled = Object.entries(wanted).every(([path, { version }]) => {
    const file = join(folder, path, 'package.json')
    return path === '' || (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version)
  })
  if (isInstalled) return
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'ignore' })
}
