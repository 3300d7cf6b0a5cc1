import { Client } from 'pg'
import { expect, it } from 'vitest'

it('runs the tests on a real PostgreSQL with room for many connections', async () => {
  const client = new Client({ connectionString: process.env['ARCTOS_TEST_POSTGRES'] })
  await client.connect()
  try {
    const { rows } = await client.query("SELECT current_setting('max_connections')::int AS connections")
    expect(rows).toEqual([{ connections: 200 }])
  } finally {
    await client.end()
  }
})
