import { execFile } from 'node:child_process'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { startArctos } from './support/arctos.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const root = new URL('../../..', import.meta.url)

/** The program of the page, in a folder of its own, as a reader would have it. */
async function writeProgram(): Promise<string> {
  const folder = await temporaryFolder()
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const guide = await readFile(new URL('docs/guide/service.md', root), 'utf8')
  const [, name = '', code = ''] = /```ts\n\/\/ file: (\S+)\n(.*?)```/s.exec(guide) ?? []
  await writeFile(join(folder, name), code)
  return join(folder, name)
}

describe('docs/guide/service.md', () => {
  it('has a program whose calls share one token', async () => {
    const { issuer, jwtApi, secret, seen } = await startArctos()
    const { NODE_OPTIONS: _, ...environment } = process.env
    const names = { ISSUER: issuer, RESOURCE: jwtApi, CLIENT_ID: 'service', CLIENT_SECRET: secret }
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--conditions=arctos-source', await writeProgram()],
      { env: { ...environment, ...names } },
    )
    expect([stdout, stderr]).toEqual(['20 of 20 calls accepted\n', ''])
    expect(seen.filter((path) => path === '/token')).toHaveLength(1)
  })
})
