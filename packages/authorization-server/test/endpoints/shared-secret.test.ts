import { createHmac, randomBytes } from 'node:crypto'
import { makeSharedSecret, type ResourceSettings } from '@arctos/authorization-server'
import { type Secret, sha256Base64url } from '@arctos/core'
import { resourceServer } from '@arctos/resource-server'
import { compactVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sealKey, unsealKey } from '../../src/keys/key-encryption.ts'
import { basic, secret as clientSecret, type Installation, install, notes } from './installation.ts'

const vault = 'https://vault.example'
const safe = 'https://safe.example/'
const kek = Buffer.alloc(32, 7)

let site: Installation
let shared: { readonly kid: string; readonly secret: Secret }

beforeEach(async () => {
  site = await install()
  shared = await register(vault)
})
afterEach(() => site.end())

function settingsOf(identifier: string): ResourceSettings {
  return {
    identifier,
    scopes: { [`open:${new URL(identifier).hostname}`]: 'Open it' },
    tokenFormat: 'jwt',
    tokenType: 'at+jwt',
    tokenAlgorithm: 'HS256',
    accessTokenLifetimeSeconds: 600,
  }
}

/** Registers a resource with a secret of its own, and the client that introspects for it. */
async function register(identifier: string): Promise<{ readonly kid: string; readonly secret: Secret }> {
  const { store } = site
  const random = randomBytes
  const resourceKey = identifier.replace(/\/$/, '')
  const { key, secret } = await makeSharedSecret({ store, kek, random }, resourceKey)
  await store.createResource({ settings: settingsOf(identifier), sharedSecret: key, actor: 'test' })
  await store.createClient({
    id: `rs-${new URL(identifier).hostname}`,
    settings: {
      name: 'resource server',
      authenticationMethods: ['client_secret_basic'],
      grantTypes: [],
      redirectUris: [],
      resourceServerOf: resourceKey,
    },
    secretHash: sha256Base64url(clientSecret),
    actor: 'test',
  })
  return { kid: key.id, secret }
}

const ask = (...resource: readonly string[]) =>
  site.post('/token', { grant_type: 'client_credentials', resource }, basic('service'))
async function tokenFor(resource: string): Promise<string> {
  const { status, body } = await ask(resource)
  expect(status).toBe(200)
  return String(body['access_token'])
}
const introspect = async (token: string, caller: string): Promise<unknown> =>
  (await site.post('/introspect', { token }, basic(caller))).body['active']

/** A token with an HMAC made by whoever knows the bytes. */
function macToken(bytes: Uint8Array, kid: string, claims: object): string {
  const input = [{ alg: 'HS256', kid, typ: 'at+jwt' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${createHmac('sha256', bytes).update(input).digest('base64url')}`
}
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

async function bytesOf(kid: string, resourceKey: string): Promise<Buffer> {
  const key = (await site.store.listKeys(undefined)).find(({ id }) => id === kid)
  return unsealKey(kek, kid, `shared_secret ${resourceKey}`, key?.sealed ?? '')
}

function guardOf(resource: string, { kid, secret }: typeof shared) {
  return resourceServer({
    resource,
    authorizationServers: [site.issuer],
    scopes: {},
    sharedSecret: { kid, secret },
    now: site.clock.now,
    journal: () => {},
    fetch: async () => {
      throw new Error('nothing is to be fetched')
    },
  })
}
async function verdict(guard: ReturnType<typeof guardOf>, token: string): Promise<string> {
  const decision = await guard.authorize({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } })
  return decision.ok ? 'good' : decision.reason
}

describe('tokens of a resource that shares a secret', () => {
  it('are signed with it, from the first request on, and its guard takes them [RFC 9068 §2.1(b)]', async () => {
    const token = await tokenFor(vault)
    const { protectedHeader } = await compactVerify(token, await bytesOf(shared.kid, vault))
    expect(protectedHeader).toEqual({ alg: 'HS256', kid: shared.kid, typ: 'at+jwt' })
    expect(await verdict(guardOf(vault, shared), token)).toBe('good')
  })

  it('are good at no resource with another secret, though it is of the same server [RFC 8725 §3.3]', async () => {
    const other = await register(safe)
    const token = await tokenFor(vault)
    expect(await verdict(guardOf(safe, other), token)).toBe('token.key_unknown')
    expect(await verdict(guardOf(safe, { ...other, kid: shared.kid }), token)).toBe('token.signature')
    expect(await verdict(guardOf(safe, other), await tokenFor(safe))).toBe('good')
  })

  it('are for that resource alone: whoever checks them could make them [RFC 8707 §2]', async () => {
    await register(safe)
    for (const others of [
      [vault, notes],
      [notes, vault],
      [vault, safe],
    ]) {
      const { status, body } = await ask(...others)
      expect([status, body['error']]).toEqual([400, 'invalid_target'])
    }
  })

  it('leave those of other resources to the published keys', async () => {
    const [header] = (await tokenFor(notes)).split('.')
    expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString())).toMatchObject({ alg: 'ES256' })
  })

  it('are introspected by their resource server and their client, and by no other [RFC 7662 §4(d)(e)]', async () => {
    await register(safe)
    const token = await tokenFor(vault)
    const callers = ['rs-vault.example', 'service', 'rs-safe.example', 'rival']
    expect(await Promise.all(callers.map((caller) => introspect(token, caller)))).toEqual([true, true, false, false])
    site.clock.pass(600)
    expect(await introspect(token, 'rs-vault.example')).toBe(false)
  })

  it('can be revoked [RFC 7009 §2.1(a)]', async () => {
    const token = await tokenFor(vault)
    expect((await site.post('/revoke', { token }, basic('rival'))).status).toBe(200)
    expect(await introspect(token, 'rs-vault.example')).toBe(true)
    expect((await site.post('/revoke', { token }, basic('service'))).status).toBe(200)
    expect(await introspect(token, 'rs-vault.example')).toBe(false)
  })

  it('are known to another node of the server', async () => {
    const node = await site.startNode()
    const token = await tokenFor(vault)
    const request = new Request(`${site.issuer}/introspect`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic('rs-vault.example') },
      body: `token=${token}`,
    })
    const response = await node.handle(request, { address: '192.0.2.1' }, '/introspect')
    expect(await response.json()).toMatchObject({ active: true, aud: vault })
  })
})

describe('what the holder of a shared secret cannot do', () => {
  it('make a token for another resource, or for two [RFC 7662 §4(d)]', async () => {
    await register(safe)
    const bytes = await bytesOf(shared.kid, vault)
    const claims = claimsOf(await tokenFor(vault))
    expect(await introspect(macToken(bytes, shared.kid, claims), 'rs-vault.example')).toBe(true)
    for (const aud of [safe, notes, [vault, safe]]) {
      const forged = macToken(bytes, shared.kid, { ...claims, aud })
      expect(await introspect(forged, 'rs-safe.example')).toBe(false)
      expect(await introspect(forged, 'rs-vault.example')).toBe(false)
    }
  })

  it('sign under the kid of a published key, or of another secret [RFC 8725 §3.1(d)]', async () => {
    const other = await register(safe)
    const bytes = await bytesOf(shared.kid, vault)
    const claims = claimsOf(await tokenFor(vault))
    const { kid } = site.server.context.keys.signingKey()
    for (const name of [kid, other.kid, '', '__proto__']) {
      expect(await introspect(macToken(bytes, name, claims), 'rs-vault.example')).toBe(false)
    }
  })

  it.each(['HS384', 'HS512', 'none', 'ES256'])('pass it off as %s', async (alg) => {
    const token = await tokenFor(vault)
    const [, payload, mac] = token.split('.')
    const header = Buffer.from(JSON.stringify({ alg, kid: shared.kid, typ: 'at+jwt' })).toString('base64url')
    expect(await introspect(`${header}.${payload}.${mac}`, 'rs-vault.example')).toBe(false)
  })
})

describe('the secret', () => {
  it('is in no key set, and in no metadata', async () => {
    await tokenFor(vault)
    const [keys, metadata] = [await site.send('/jwks'), await site.send('/.well-known/oauth-authorization-server')]
    expect(keys.text).not.toContain(shared.kid)
    const bytes = await bytesOf(shared.kid, vault)
    for (const text of [shared.secret.reveal(), bytes.toString('base64url'), bytes.toString('hex')]) {
      expect(keys.text + metadata.text).not.toContain(text)
    }
  })

  it('lies sealed in the store, and not in the audit log', async () => {
    const kept = JSON.stringify([await site.store.listKeys(undefined), await site.store.listResources(undefined)])
    const bytes = await bytesOf(shared.kid, vault)
    for (const text of [shared.secret.reveal(), bytes.toString('base64url'), bytes.toString('hex')]) {
      expect(kept).not.toContain(text)
    }
  })

  it('is made for 256 bits, each anew', async () => {
    const other = await register(safe)
    expect((await bytesOf(shared.kid, vault)).byteLength).toBe(32)
    expect(other.secret.reveal()).not.toBe(shared.secret.reveal())
    expect(shared.secret.reveal()).toMatch(/^arctos_hs_[0-9A-Za-z]{54}$/)
  })

  it('opens for its own resource only', async () => {
    const key = (await site.store.listKeys(undefined)).find(({ id }) => id === shared.kid)
    expect(() => unsealKey(kek, shared.kid, 'shared_secret https://safe.example', key?.sealed ?? '')).toThrow(
      /does not open/,
    )
  })

  it('is not registered with a resource that is not for it, nor left out', async () => {
    const { store } = site
    const { key } = await makeSharedSecret({ store, kek, random: randomBytes }, 'https://safe.example')
    const { tokenAlgorithm: _, ...plain } = settingsOf('https://other.example')
    const wrong = [
      { settings: settingsOf('https://other.example'), actor: 'test' },
      { settings: settingsOf('https://other.example'), sharedSecret: key, actor: 'test' },
      { settings: plain, sharedSecret: { ...key, resourceKey: 'https://other.example' }, actor: 'test' },
    ]
    for (const registration of wrong) await expect(store.createResource(registration)).rejects.toThrow()
    expect(await store.readResources(['https://other.example'])).toEqual([])
  })

  it('is not made with another key-encryption key than that of the server', async () => {
    const making = { store: site.store, kek: Buffer.alloc(32, 8), random: randomBytes }
    await expect(makeSharedSecret(making, vault)).rejects.toMatchObject({ name: 'WrongKeyEncryptionKey' })
  })
})

describe('a second secret of a resource', () => {
  const add = async (activeInSeconds: number) => {
    const making = { store: site.store, kek, random: randomBytes }
    const { key, secret } = await makeSharedSecret(making, vault, activeInSeconds)
    await site.store.addKey({ key, onlyIfOlderThanSeconds: undefined, actor: 'test' })
    await site.server.context.keys.maintain()
    return { kid: key.id, secret }
  }
  const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid

  it('signs from its time on, and the former one verifies until it is retired', async () => {
    const before = await tokenFor(vault)
    const next = await add(60)
    expect(kidOf(await tokenFor(vault))).toBe(shared.kid)
    site.clock.pass(60)
    expect(kidOf(await tokenFor(vault))).toBe(next.kid)
    expect(await introspect(before, 'rs-vault.example')).toBe(true)
    expect(await site.store.retireKey({ id: shared.kid, actor: 'test' })).toEqual({ outcome: 'retired' })
    await site.server.context.keys.maintain()
    expect(await introspect(before, 'rs-vault.example')).toBe(false)
    expect(kidOf(await tokenFor(vault))).toBe(next.kid)
  })

  it('has to be there before the first one can be retired, and for the same resource', async () => {
    await register(safe)
    const retire = () => site.store.retireKey({ id: shared.kid, actor: 'test' })
    expect(await retire()).toEqual({ outcome: 'last' })
    await add(60)
    expect(await retire()).toEqual({ outcome: 'last' })
    site.clock.pass(60)
    expect(await retire()).toEqual({ outcome: 'retired' })
  })
})

it('says no kind of secret is another: what is sealed for signing does not open as a shared secret', () => {
  const sealed = sealKey(kek, 'a', 'signing', randomBytes(32), randomBytes(12))
  expect(() => unsealKey(kek, 'a', 'shared_secret https://vault.example', sealed)).toThrow(/does not open/)
})
