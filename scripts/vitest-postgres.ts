// One real PostgreSQL for the whole test run. A test makes a database of its own on it, so that files run side by side.
import { startPostgres } from './postgres.ts'

export async function setup(): Promise<() => Promise<void>> {
  const given = process.env['ARCTOS_TEST_POSTGRES']
  if (given !== undefined && given !== '') return async () => {}
  const postgres = await startPostgres()
  process.env['ARCTOS_TEST_POSTGRES'] = postgres.url
  return postgres.stop
}
