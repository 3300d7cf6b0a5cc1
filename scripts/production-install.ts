// Measures what a user installs: every workspace packed, all tarballs installed together into an empty folder.
// Needs the output of `npm run build`. Exits 1 when a limit is exceeded.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const maximumPackages = 20
const maximumBytes = 20_000_000
const permissive = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'MIT-0',
  'Unlicense',
]

interface Installed {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly bytes: number
  readonly hasScript: boolean
}

const root = resolve(import.meta.dirname, '..')
const directory = mkdtempSync(join(tmpdir(), 'arctos-production-'))
try {
  const ours = pack()
  writeFileSync(join(directory, 'package.json'), '{"private":true}')
  const tarballs = [...ours.values()].map((file) => `./${file}`)
  npm(directory, 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs)
  const installed = installedPackages(directory)
  const missing = [...ours.keys()].filter((name) => !installed.some((each) => each.name === name))
  const problems = [
    ...load(directory, ours.keys()),
    ...missing.map((name) => `${name} was packed but not installed`),
    ...report(
      installed.filter(({ name }) => !ours.has(name)),
      installed.filter(({ name }) => ours.has(name)),
    ),
  ]
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** Packs every public workspace; answers the tarball's file name by package name. */
function pack(): Map<string, string> {
  const output = npm(root, 'pack', '--workspaces', '--json', '--pack-destination', directory)
  const packed: Record<string, unknown>[] = Object.values(JSON.parse(output))
  return new Map(packed.map(({ name, filename }) => [String(name), String(filename)]))
}

function npm(cwd: string, ...args: string[]): string {
  const settings = { ...process.env, npm_config_update_notifier: 'false' }
  return execFileSync('npm', args, { cwd, env: settings, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What npm noted down about the tree that it has just laid out. */
function installedPackages(folder: string): Installed[] {
  const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  return Object.keys(packages).map((path) => {
    const {
      name,
      version,
      license = 'none named',
    } = JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'))
    return {
      name,
      version,
      license,
      bytes: sizeOf(join(folder, path)),
      hasScript: packages[path].hasInstallScript === true,
    }
  })
}

/** Loads every package; the command line runs, and has a call accepted, as whoever installed it would see. */
function load(folder: string, names: Iterable<string>): string[] {
  const firstCalls = ['node_modules/arctos/bin/arctos.cjs', 'dev', '--once', '--port', '0', '--api-port', '0']
  return [...names].flatMap((name) => {
    const args = name === 'arctos' ? firstCalls : ['--input-type=module', '-e', `await import('${name}')`]
    try {
      execFileSync(process.execPath, args, { cwd: folder, stdio: 'pipe' })
      return []
    } catch (error) {
      return [`${name} does not work: ${String(error)}`]
    }
  })
}

/** The disk blocks of a package's own files, as `du` counts them, without the packages nested in it. */
function sizeOf(folder: string): number {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !path.startsWith('node_modules'),
  )
  return ['', ...paths].reduce((sum, path) => sum + (statSync(join(folder, path)).blocks ?? 0) * 512, 0)
}

function report(others: readonly Installed[], ours: readonly Installed[]): string[] {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
  const rows = [...others].sort((a, b) => b.bytes - a.bytes)
  console.log('| package | version | licence | MB |\n|---|---|---|---:|')
  for (const { name, version, license, bytes } of rows) {
    console.log(`| ${name} | ${version} | ${license} | ${megabytes(bytes)} |`)
  }
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  const own = ours.reduce((sum, { bytes }) => sum + bytes, 0)
  console.log(`| **${rows.length} third-party packages** | | | **${megabytes(total)}** |`)
  console.log(`| ${ours.length} packages of Arctos | | | ${megabytes(own)} |`)
  const problems: string[] = []
  if (rows.length > maximumPackages)
    problems.push(`${rows.length} third-party packages; allowed are ${maximumPackages}`)
  if (total > maximumBytes) problems.push(`${megabytes(total)} MB; allowed are ${megabytes(maximumBytes)}`)
  for (const { name, license, hasScript } of [...others, ...ours]) {
    if (
      !license
        .split(/[()]|\sOR\s|\sAND\s/)
        .filter(Boolean)
        .every((each) => permissive.includes(each.trim()))
    ) {
      problems.push(`${name} has the licence ${license}`)
    }
    if (hasScript) problems.push(`${name} has an install script`)
  }
  return problems
}
