import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import { apps } from './apps.ts'
import { guardOf } from './guard.ts'
import { type Issuer, resource, startIssuer } from './issuer.ts'

let issuer: Issuer

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

describe('metadata of the resource', () => {
  it('says what a client needs to get a token [RFC 9728 §2]', () => {
    expect(guardOf(issuer).metadata).toEqual({
      resource,
      authorization_servers: [issuer.issuer],
      scopes_supported: ['read', 'write'],
      bearer_methods_supported: ['header'],
    })
  })

  it('leaves out a list without elements [RFC 9728 §3.2(b)]', () => {
    const api = resourceServer({ resource, authorizationServers: [issuer.issuer], scopes: {} })
    expect(Object.keys(api.metadata)).toEqual(['resource', 'authorization_servers', 'bearer_methods_supported'])
  })

  it.each([
    ['https://api.example.com', 'https://api.example.com/.well-known/oauth-protected-resource'],
    ['https://api.example.com/', 'https://api.example.com/.well-known/oauth-protected-resource'],
    ['https://api.example.com/v1', 'https://api.example.com/.well-known/oauth-protected-resource/v1'],
    ['https://api.example.com/v1/', 'https://api.example.com/.well-known/oauth-protected-resource/v1/'],
    ['http://localhost:4001/mcp', 'http://localhost:4001/.well-known/oauth-protected-resource/mcp'],
  ])('of %s are at %s [RFC 9728 §3.1(a)(b)]', (identifier, url) => {
    expect(guardOf(issuer, { resource: identifier }).metadataUrl).toBe(url)
  })
})

describe.each(Object.entries(apps).filter(([name]) => name !== 'plain data'))('%s', (name, start) => {
  it('serves the metadata [RFC 9728 §3.2]', async () => {
    const api = guardOf(issuer)
    const app = await start(api)
    const { status, headers, body } = await app.ask({ path: `${api.metadataPath}?x=1` })
    await app.close()
    expect([
      status,
      headers['content-type']?.replace(/; charset=utf-8$/, ''),
      headers['access-control-allow-origin'],
    ]).toEqual([200, 'application/json', '*'])
    expect(JSON.parse(body)).toEqual(api.metadata)
  })

  it('serves them to GET alone, and nowhere else [RFC 9728 §3.1]', async () => {
    const api = guardOf(issuer)
    const app = await start(api)
    const wrongPath = await app.ask({ path: `${api.metadataPath}/` })
    const wrongMethod = await app.ask({ path: api.metadataPath, method: 'POST' })
    await app.close()
    expect(wrongPath.status).toBe(404)
    // Fastify's router tells methods apart by itself; the small one of these tests does not.
    if (name !== 'Fastify') expect([wrongMethod.status, wrongMethod.headers['allow']]).toEqual([405, 'GET, HEAD'])
  })
})
