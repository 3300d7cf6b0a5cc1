import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Figure, median, type Report, round } from './report.ts'

const root = join(import.meta.dirname, '..')
const rounds = 3
const limitSeconds = 60
const packageLimit = 20
const megabyteLimit = 20

/** How long `npm ci` takes with an empty cache, and what a production install holds. */
export async function measure(): Promise<Report> {
  const seconds: number[] = []
  while (seconds.length < rounds) seconds.push(installFromNothing())
  const { packages, megabytes, complaints } = installForProduction()
  const figures: readonly Figure[] = [
    { name: 'npm ci', limit: limitSeconds, unit: ' s', must: 'not exceed', rounds: seconds },
    { name: 'third-party packages', limit: packageLimit, unit: ' packages', must: 'not exceed', rounds: [packages] },
    { name: 'third-party size', limit: megabyteLimit, unit: ' MB', must: 'not exceed', rounds: [megabytes] },
    { name: 'scripts, and licences not allowed', limit: 0, unit: '', must: 'not exceed', rounds: [complaints.length] },
  ]
  return {
    title: `Installing: npm ci from an empty cache, median of ${rounds}; and a production install of all workspaces`,
    columns: ['figure', 'measured', 'wanted', 'worst'],
    rows: figures.map(({ name, limit, unit, rounds: each }) => [
      name,
      format(median(each), unit),
      `≤ ${limit}${unit}`,
      format(Math.max(...each), unit),
    ]),
    figures,
    notes: [
      'What npm ci takes depends on the network; a production install is what scripts/production-install.ts makes.',
      ...complaints,
    ],
  }
}

function format(value: number, unit: Figure['unit']): string {
  return `${unit === '' || unit === ' packages' ? value : round(value)}${unit}`
}

/** Installs what a fresh clone would, with nothing in the cache; returns the seconds. */
function installFromNothing(): number {
  const directory = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  try {
    const clone = join(directory, 'clone')
    for (const file of globSync(['package.json', 'package-lock.json', '.npmrc', '{packages,apps}/*/package.json'], {
      cwd: root,
    })) {
      mkdirSync(join(clone, dirname(file)), { recursive: true })
      cpSync(join(root, file), join(clone, file))
    }
    const started = performance.now()
    execFileSync('npm', ['ci', '--cache', join(directory, 'cache')], { cwd: clone, stdio: 'ignore' })
    return (performance.now() - started) / 1000
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

interface ProductionInstall {
  readonly packages: number
  readonly megabytes: number
  /** What the script found wrong besides. */
  readonly complaints: readonly string[]
}

function installForProduction(): ProductionInstall {
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: 'ignore' })
  const script = join(root, 'scripts/production-install.ts')
  const { stdout, stderr } = spawnSync(process.execPath, [script], { cwd: root, encoding: 'utf8' })
  const [, packages, megabytes] = /\*\*(\d+) third-party packages\*\*[ |]*\*\*([\d.]+)\*\*/.exec(stdout) ?? []
  if (packages === undefined || megabytes === undefined) throw new Error(`no production install:\n${stdout}${stderr}`)
  const complaints = stderr.split('\n').filter((line) => / has (the licence|an install script)/.test(line))
  return { packages: Number(packages), megabytes: Number(megabytes), complaints }
}
