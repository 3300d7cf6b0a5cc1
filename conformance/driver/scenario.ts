import { it, type TestContext } from 'vitest'
import { type Environment, readEnvironmentFile, type VariableName } from './environment.ts'
import { fileVariable } from './file-variable.ts'

const file = process.env[fileVariable]
if (file === undefined) throw new Error('Run the scenarios by: npm run conformance -- --env FILE')
const values = readEnvironmentFile(file)

/**
 * One scenario: a title that ends in the clauses it holds the server to, the variables it needs, and what it does. Where a
 * variable is missing, it is skipped and says which.
 */
export function scenario<const Name extends VariableName>(
  title: string,
  needs: readonly Name[],
  run: (env: Environment<Name>, context: TestContext) => Promise<void>,
): void {
  const missing = ['ISSUER', ...needs].filter((name) => !values[name])
  if (missing.length > 0) it.skip(`${title} (needs ${missing.join(', ')})`)
  else it(title, (context) => run(values as Environment<Name>, context))
}
