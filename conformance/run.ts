// Runs the scenarios of this folder, as a black box over HTTP, against the issuer that a dotenv file names:
// `npm run conformance -- --env FILE [NAME ...]`. Names choose files: `rfc7009`, `arctos`.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startVitest } from 'vitest/node'
import { closingLine } from '../scripts/vitest-closing-line.ts'
import { readEnvironmentFile } from './driver/environment.ts'
import { fileVariable } from './driver/file-variable.ts'

const usage = 'Usage: npm run conformance -- --env FILE [NAME ...]'

function readArguments(): { readonly file: string; readonly names: readonly string[] } {
  const { values, positionals } = parseArgs({ options: { env: { type: 'string' } }, allowPositionals: true })
  if (values.env === undefined) throw new Error(usage)
  // npm changes into the repository; the path was typed elsewhere.
  const file = resolve(process.env['INIT_CWD'] ?? '.', values.env)
  if (!existsSync(file)) throw new Error(`--env: ${file} does not exist`)
  if (!readEnvironmentFile(file)['ISSUER']) throw new Error(`--env: ${file} has no ISSUER`)
  return { file, names: positionals }
}

try {
  const { file, names } = readArguments()
  process.env[fileVariable] = file
  await startVitest(
    'test',
    names.map((name) => `conformance/${name}`),
    {
      config: false,
      root: resolve(import.meta.dirname, '..'),
      include: ['conformance/rfc*.ts', 'conformance/ssf.ts', 'conformance/arctos.ts'],
      // One after the other: the server may count sign-ins, and some scenarios send many requests at once.
      fileParallelism: false,
      pool: 'forks',
      reporters: ['tree', closingLine()],
      testTimeout: 30_000,
      watch: false,
    },
  )
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
