// Writes the generated pages of docs/. With --check it writes nothing, and fails when a page is stale, when a MUST that
// applies has no test, or when no test produces a refusal.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeRefusalsPage, type RefusalText } from './refusals-doc.ts'
import { makeSpecMap } from './spec-map.ts'

/** Compares with what is there, or writes it. Returns a sentence for everything that is wrong. */
export function makeDocs(
  root: string,
  refusals: Readonly<Record<string, RefusalText>>,
  mode: 'check' | 'write',
): readonly string[] {
  const made = { 'docs/spec-map.md': makeSpecMap(root), 'docs/refusals.md': makeRefusalsPage(root, refusals) }
  const stale = Object.entries(made).flatMap(([file, { page }]) => {
    const path = join(root, file)
    if (existsSync(path) && readFileSync(path, 'utf8') === page) return []
    if (mode === 'check')
      return [`${file} is stale: run node scripts/node.cjs --conditions=arctos-source scripts/docs.ts`]
    writeFileSync(path, page)
    return []
  })
  return [...stale, ...Object.values(made).flatMap(({ problems }) => problems)]
}

if (import.meta.main) {
  const { refusals } = await import('@arctos/core')
  const mode = process.argv.includes('--check') ? 'check' : 'write'
  const problems = makeDocs(resolve(import.meta.dirname, '..'), refusals, mode)
  // Pages are written while work is under way; only the check lists what is missing, and insists.
  if (mode === 'write') console.log(`written; --check lists ${problems.length} problems`)
  else for (const problem of problems) console.error(problem)
  if (mode === 'check' && problems.length > 0) process.exit(1)
}
