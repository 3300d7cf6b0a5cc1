import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { makeKeySecret } from '@arctos/authorization-server'
import { apiKey, bearerHeaders } from '@arctos/client'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Arctos, startArctos } from './support/arctos.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const root = new URL('../../..', import.meta.url)

/** An API key of the service, for one API. */
async function makeKey({ store }: Arctos, resource: string): Promise<{ readonly id: string; readonly key: string }> {
  const { secret, hash } = makeKeySecret('apiKey', randomBytes, 'test')
  const created = await store.createApiKey({
    owner: { kind: 'client', clientId: 'service' },
    name: 'nightly',
    resourceKey: resource,
    scopes: ['read'],
    secretHash: hash,
    lifetimeSeconds: 86_400,
    actor: 'test',
  })
  if (created.outcome !== 'created') throw new Error(created.outcome)
  return { id: created.id, key: secret.reveal() }
}

describe('a program with an API key', () => {
  it.each(['jwtApi', 'opaqueApi'] as const)(
    'calls %s with short tokens, which it renews [RFC 8693 §2.1(a)(b)]',
    async (api) => {
      const arctos = await startArctos()
      const { issuer, now, seen } = arctos
      const resource = arctos[api]
      const { key } = await makeKey(arctos, resource)
      const access = apiKey({ issuer, key, resource, now })
      const answered = await Promise.all(Array.from({ length: 20 }, () => access.fetch('/notes')))
      expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
      expect(await answered[0]?.text()).toBe('service')
      expect(seen.filter((path) => path === '/token')).toHaveLength(1)
      arctos.advance(300)
      expect((await access.fetch('/notes')).status).toBe(200)
      expect(seen.filter((path) => path === '/token')).toHaveLength(2)
    },
  )

  it('never sends the key to the API, and tells it to nobody', async () => {
    const arctos = await startArctos()
    const { issuer, now, jwtApi: resource } = arctos
    const { id, key } = await makeKey(arctos, resource)
    const access = apiKey({ issuer, key, resource, scope: 'read', now })
    const { authorization } = await bearerHeaders(access, { resource })(resource)
    expect([authorization.includes(key), decodeJwt(authorization.slice(7))['grant_id']]).toEqual([false, id])
    expect(inspect(access, { depth: 9, showHidden: true })).not.toContain(key.slice(0, 20))
  })

  it('learns that the key has ended, in an error without it [RFC 8693 §2.2.2(a)]', async () => {
    const arctos = await startArctos()
    const { issuer, now, jwtApi: resource } = arctos
    const { id, key } = await makeKey(arctos, resource)
    await arctos.store.endApiKey({ keyId: id, actor: 'test' })
    const error: unknown = await apiKey({ issuer, key, resource, now })
      .accessToken()
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'oauth_error', error: 'invalid_request' })
    expect(inspect(error)).not.toContain(key)
  })

  it.each([
    ['issuer', { issuer: 'http://as.example.com' }],
    ['key', { key: 'two words' }],
    ['resource', { resource: 'not a URL' }],
    ['scope', { scope: 'a  b' }],
  ])('is refused with a wrong %s', (_, wrong) => {
    const right = { issuer: 'https://as.example.com', key: 'a-key', resource: 'https://api.example.com' }
    expect(() => apiKey({ ...right, ...wrong })).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  })
})

describe('docs/guide/api-keys.md', () => {
  it('has a program and a command that work', async () => {
    const arctos = await startArctos()
    const { issuer, jwtApi: resource } = arctos
    const { key } = await makeKey(arctos, resource)
    const page = await readFile(new URL('docs/guide/api-keys.md', root), 'utf8')
    const [, name = '', program = ''] = /```ts\n\/\/ file: (\S+)\n(.*?)```/s.exec(page) ?? []
    const [, command = ''] = /```sh\n(tr .*? curl.*?)```/s.exec(page) ?? []
    const folder = await temporaryFolder()
    await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await writeFile(join(folder, name), program)
    await writeFile(join(folder, 'key.txt'), `${key}\n`)
    const { NODE_OPTIONS: _, ...environment } = process.env
    const options = { cwd: folder, env: { ...environment, ISSUER: issuer, RESOURCE: resource, API_KEY: key } }
    const [ran, curled] = await Promise.all([
      promisify(execFile)(process.execPath, ['--conditions=arctos-source', join(folder, name)], options),
      promisify(execFile)('sh', ['-c', command], options),
    ])
    expect([ran.stdout, ran.stderr]).toEqual(['200 service\n', ''])
    expect(JSON.parse(curled.stdout)).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'read' })
  })
})
