// npm run guards [-- --write]: all vectors of @arctos/testing at guards in wide use and at ours, in one table.
import { readFileSync, writeFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { join } from 'node:path'
import { conformance, guardVectors, testAuthorizationServer } from '@arctos/testing'
import { installPeers } from '../scripts/install-peers.ts'
import type { ComparedGuard } from './guards/guard.ts'
import { type Column, formatComparison } from './guards/table.ts'

const folder = import.meta.dirname

/** Name and version of what was really loaded. */
function versionsOf(packages: readonly string[]): string {
  return packages
    .map((name) => {
      const file = findPackageJSON(name, join(folder, 'guards/any.js'))
      return `${name} ${file === undefined ? '' : JSON.parse(readFileSync(file, 'utf8')).version}`
    })
    .join(', ')
}

/** A world of its own for each guard, so that none finds anything warm. */
async function askGuard({ name, packages, setup, keysFrom, routes, start }: ComparedGuard): Promise<Column> {
  const as = await testAuthorizationServer({ listen: true, signingAlgorithm: 'RS256' })
  const { origin, close } = await start(as)
  const uncaughtBefore = uncaught
  const outcome = await conformance(origin, {
    as,
    routes: routes ?? { read: 'GET /read', write: 'GET /write', form: 'POST /read' },
    keysFrom: keysFrom ?? 'metadata',
    async cold() {
      const fresh = await start(as)
      return { target: fresh.origin, close: fresh.close }
    },
  })
  await close()
  await as.close()
  return { name, versions: versionsOf(packages), setup, outcome, uncaught: uncaught - uncaughtBefore }
}

// What a guard throws where nobody catches it would end its process. Here it ends one answer, and is counted.
let uncaught = 0
process.on('uncaughtException', () => {
  uncaught += 1
})

installPeers(folder)
const { peerGuards } = await import('./guards/peers.ts')
const { ourGuards } = await import('./guards/ours.ts')
const columns: Column[] = []
for (const guard of [...peerGuards, ...ourGuards]) columns.push(await askGuard(guard))

const table = formatComparison(columns, guardVectors, new Date().toISOString().slice(0, 10))
console.log(table)
if (process.argv.includes('--failures')) {
  for (const { name, outcome } of columns) console.log(`\n${name}\n${outcome.table}`)
}
if (process.argv.includes('--write')) {
  const head = '<!-- Made by npm run guards -- --write. Do not edit. -->\n# Guards compared\n'
  writeFileSync(join(folder, 'guards.md'), `${head}\n${table}\n`)
}
const ours = columns.slice(peerGuards.length)
// A guard that keeps a timer must not keep us.
process.exit(ours.every(({ outcome }) => outcome.failed === 0) ? 0 : 1)
