// npm run interop [-- NAME ...]: programs of others against a running `arctos dev`, one table, one line that counts.
import { readdirSync, readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { join } from 'node:path'
import { installPeers } from '../scripts/install-peers.ts'
import { runScenario, type Scenario, type StepResult } from './support/scenario.ts'
import { startWorld } from './support/world.ts'

const folder = join(import.meta.dirname, 'scenarios')

async function loadScenarios(wanted: readonly string[]): Promise<readonly Scenario[]> {
  const files = readdirSync(folder).filter((file) => wanted.length === 0 || wanted.includes(file.replace(/\.ts$/, '')))
  if (files.length === 0) throw new Error(`no such scenario: ${wanted.join(' ')}`)
  const scenarios: Scenario[] = []
  // One after the other: a module that one program imports and another requires cannot be loaded in both ways at once.
  for (const file of files.sort())
    scenarios.push(((await import(join(folder, file))) as { scenario: Scenario }).scenario)
  return scenarios
}

/** Name and version of what was really loaded. */
function label(program: string): string {
  const file = findPackageJSON(program, join(folder, 'any.js'))
  return `${program} ${file === undefined ? '' : JSON.parse(readFileSync(file, 'utf8')).version}`
}

function printTable(results: readonly StepResult[]): void {
  const rows = results.map(({ program, step, outcome, problem }) => [label(program), step, outcome, problem ?? ''])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of [['program', 'step', 'result', ''], ...rows]) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  }
}

installPeers(import.meta.dirname)
const scenarios = await loadScenarios(process.argv.slice(2))
const world = await startWorld()
const results: StepResult[] = []
try {
  for (const scenario of scenarios) results.push(...(await runScenario(scenario, world)))
} finally {
  await world.stop()
}
printTable(results)
const count = (outcome: StepResult['outcome']) => results.filter((result) => result.outcome === outcome).length
console.log(`${count('ok')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
// A program that keeps a connection or a timer must not keep us.
process.exit(count('failed') === 0 ? 0 : 1)
