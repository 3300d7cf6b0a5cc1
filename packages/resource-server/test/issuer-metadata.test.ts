import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, guardOf, verdict } from './guard.ts'
import { type Issuer, sendJson, sendStatus, startIssuer } from './issuer.ts'

const wellKnown = '/.well-known/oauth-authorization-server'
let issuer: Issuer
let guard: Guard
let aheadMs = 0

beforeEach(async () => {
  issuer = await startIssuer()
  aheadMs = 0
  guard = guardOf(issuer, { now: () => Date.now() + aheadMs })
})
afterEach(() => issuer.close())

const serve = (path: string, document: unknown): void => {
  issuer.answers.set(path, (_request, response) => sendJson(response, document))
}
const lasting = (): string => issuer.token({ exp: Math.floor(Date.now() / 1_000) + 86_400 })

describe('the address of the keys', () => {
  it('comes from the metadata of the issuer, read once [RFC 8414 §3]', async () => {
    expect(await verdict(guard, issuer.token())).toBe('good')
    await guard.reload()
    expect(issuer.hitsOf(wellKnown)).toBe(1)
  })

  it('comes from the OpenID document where there is no other', async () => {
    issuer.answers.set(wellKnown, sendStatus(404))
    serve('/.well-known/openid-configuration', { issuer: issuer.issuer, jwks_uri: issuer.jwksUri })
    expect(await verdict(guard, issuer.token())).toBe('good')
  })

  it('is looked for below the path of an issuer that has one [RFC 8414 §3.1]', async () => {
    const tenant = `${issuer.issuer}/tenant`
    serve(`${wellKnown}/tenant`, { issuer: tenant, jwks_uri: issuer.jwksUri })
    const other = guardOf(issuer, { authorizationServers: [tenant] })
    expect(await verdict(other, issuer.token({ iss: tenant }))).toBe('good')
  })

  it.each([
    ['speaks for another issuer', () => ({ issuer: 'https://as.example.org', jwks_uri: issuer.jwksUri })],
    ['differs by a slash', () => ({ issuer: `${issuer.issuer}/`, jwks_uri: issuer.jwksUri })],
    ['names no issuer', () => ({ jwks_uri: issuer.jwksUri })],
    ['names no keys', () => ({ issuer: issuer.issuer })],
    [
      'names keys without TLS',
      () => ({ issuer: issuer.issuer, jwks_uri: issuer.jwksUri.replace('127.0.0.1', '0.0.0.0') }),
    ],
    ['names keys in a file', () => ({ issuer: issuer.issuer, jwks_uri: 'file:///etc/passwd' })],
  ])('is not taken from a document that %s [RFC 8414 §3.3]', async (_name, document) => {
    serve(wellKnown, document())
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
    expect(issuer.hitsOf('/jwks')).toBe(0)
  })

  it('is read again after keys could not be loaded from it', async () => {
    await verdict(guard, lasting())
    issuer.answers.set('/jwks', sendStatus(404))
    serve('/moved', { keys: issuer.published })
    serve(wellKnown, { issuer: issuer.issuer, jwks_uri: `${issuer.issuer}/moved` })
    await expect(guard.reload()).rejects.toThrow()
    await guard.reload()
    expect(issuer.hitsOf('/moved')).toBe(1)
  })

  it('is read again after the issuer gave no answer about a token there', async () => {
    serve('/moved', { active: true, client_id: 'client-1', scope: 'read' })
    issuer.answers.set('/introspect', sendStatus(410))
    const asking = guardOf(issuer, { introspection: { clientId: 'rs', clientSecret: 's' } })
    expect(await verdict(asking, 'opaque')).toBe('introspection.unavailable')
    serve(wellKnown, { issuer: issuer.issuer, introspection_endpoint: `${issuer.issuer}/moved` })
    expect(await verdict(asking, 'opaque')).toBe('good')
  })

  it('stays in force while the metadata cannot be read again', async () => {
    await verdict(guard, lasting())
    issuer.answers.set(wellKnown, sendStatus(500))
    aheadMs += 2 * 60 * 60_000
    expect(await verdict(guard, lasting())).toBe('good')
    expect(issuer.hitsOf(wellKnown)).toBe(2)
  })
})
