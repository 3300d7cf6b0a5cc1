import { sha256Base64url } from '@arctos/core'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { personalTokenClient } from '../../src/store/registered-client.ts'
import { makeKeySecret } from '../../src/tokens/api-key.ts'
import { databaseKinds } from './databases.ts'
import { introspect, makeAssertion, revoke } from './flows.ts'
import {
  archive,
  basic,
  type Form,
  type Installation,
  install,
  notes,
  type Reply,
  registerClient,
  secret,
} from './installation.ts'

const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const keyType = 'urn:arctos:params:oauth:token-type:api_key'
const accessType = 'urn:ietf:params:oauth:token-type:access_token'
const actor = 'test'

interface KeyWish {
  readonly client?: string
  readonly resource?: string
  readonly scopes?: readonly string[]
  readonly lifetimeSeconds?: number | 'never'
}

interface Made {
  readonly id: string
  readonly text: string
}

/** A key of a client, or of the user where none is named. */
async function makeKey(site: Installation, wish: KeyWish = {}): Promise<Made> {
  const { client, resource = notes, scopes = ['read', 'write'], lifetimeSeconds = 86_400 } = wish
  const kind = client === undefined ? 'personalAccessToken' : 'apiKey'
  const made = makeKeySecret(kind, site.server.context.random, site.store.environment)
  const created = await site.store.createApiKey({
    owner: client === undefined ? { kind: 'user', userId: site.userId } : { kind: 'client', clientId: client },
    name: 'a key of the tests',
    resourceKey: resource,
    scopes,
    secretHash: made.hash,
    lifetimeSeconds,
    actor,
  })
  if (created.outcome !== 'created') throw new Error(`no key: ${created.outcome}`)
  return { id: created.id, text: made.secret.reveal() }
}

function exchange(site: Installation, key: string, form: Form = {}, headers = {}): Promise<Reply> {
  const usual = { grant_type: exchangeType, subject_token: key, subject_token_type: keyType }
  return site.post('/token', { ...usual, ...form }, headers)
}

describe.each(databaseKinds)('keys on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
  })
  afterAll(() => site.end())

  describe('exchanged', () => {
    it('give a JWT of five minutes that carries the key’s id [RFC 8693 §2.2.1(a)(b)(c), RFC 8693 §3, RFC 8693 §6(c), RFC 9068 §2.2]', async () => {
      const key = await makeKey(site, { client: 'service' })
      const { status, headers, body } = await exchange(site, key.text)
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
      expect(body).toEqual({
        access_token: expect.any(String),
        issued_token_type: accessType,
        token_type: 'Bearer',
        expires_in: 300,
        scope: 'read write',
      })
      const token = String(body['access_token'])
      expect(decodeProtectedHeader(token).typ).toBe('at+jwt')
      const now = site.clock.seconds()
      expect(decodeJwt(token)).toEqual({
        iss: site.issuer,
        sub: 'service',
        aud: notes,
        iat: now,
        exp: now + 300,
        jti: expect.any(String),
        client_id: 'service',
        scope: 'read write',
        grant_id: key.id,
      })
      expect((await introspect(site, token, 'notes-api')).body).toMatchObject({ active: true, grant_id: key.id })
    })

    it('speak for the user who made them [RFC 8693 §2.1(g)]', async () => {
      const key = await makeKey(site)
      const { body } = await exchange(site, key.text)
      expect(decodeJwt(String(body['access_token']))).toMatchObject({
        sub: site.userId,
        client_id: personalTokenClient,
        grant_id: key.id,
      })
    })

    it('give an opaque token where the resource takes those, and it ends with the key', async () => {
      const key = await makeKey(site, { resource: archive, scopes: ['archive'] })
      const token = String((await exchange(site, key.text)).body['access_token'])
      expect((await introspect(site, token, 'archive-api')).body).toMatchObject({ active: true, grant_id: key.id })
      await site.store.endApiKey({ keyId: key.id, actor })
      expect((await introspect(site, token, 'archive-api')).body).toEqual({ active: false })
    })

    it('give nothing that outlives the key [RFC 8693 §2.2.1(b), RFC 8693 §5, DESIGN §6]', async () => {
      const key = await makeKey(site, { client: 'service', lifetimeSeconds: 100 })
      expect((await exchange(site, key.text)).body).toMatchObject({ expires_in: 100 })
    })

    it('give fewer scopes where fewer are asked for, and the same audience where it is named [RFC 8693 §2.1.1, RFC 8693 §2.2.1(c)]', async () => {
      const key = await makeKey(site, { client: 'service' })
      const form = { scope: 'read', resource: notes, audience: `${notes}/`, requested_token_type: accessType }
      const { body } = await exchange(site, key.text, form)
      expect([body['scope'], decodeJwt(String(body['access_token'])).aud]).toEqual(['read', notes])
    })

    it('give no more scopes than they have [RFC 8693 §2.1.1, RFC 8693 §2.2.2(c), DESIGN §6]', async () => {
      const key = await makeKey(site, { client: 'service', scopes: ['read'] })
      const { status, body, reason } = await exchange(site, key.text, { scope: 'read write' })
      expect([status, body['error'], reason]).toEqual([400, 'invalid_scope', 'scope.exceeds_grant'])
    })

    it('give nothing for another resource [RFC 8693 §2.2.2(b), RFC 8707 §2, DESIGN §6]', async () => {
      const key = await makeKey(site, { client: 'service' })
      for (const name of ['resource', 'audience']) {
        const { status, body, reason } = await exchange(site, key.text, { [name]: archive })
        expect([status, body['error'], reason]).toEqual([400, 'invalid_target', 'resource.exceeds_grant'])
      }
    })

    it('are answered alike when unknown, ended, expired, foreign or their owner’s no more [RFC 8693 §2.1(e), RFC 8693 §2.2.2]', async () => {
      const unknown = makeKeySecret('apiKey', site.server.context.random, 'live').secret.reveal()
      const ended = await makeKey(site, { client: 'service' })
      await site.store.endApiKey({ keyId: ended.id, actor })
      const expired = await makeKey(site, { client: 'service', lifetimeSeconds: 60 })
      const ofDisabled = await makeKey(site, { client: 'machine' })
      await site.store.updateClient({ id: 'machine', disabled: true, actor })
      site.clock.pass(61)
      const foreign = await makeKey(site, { client: 'service' })
      const replies = [
        await exchange(site, 'arctos_ak_nothing'),
        await exchange(site, unknown),
        await exchange(site, ended.text),
        await exchange(site, expired.text),
        await exchange(site, ofDisabled.text),
        await exchange(site, foreign.text, {}, basic('rival')),
      ]
      expect(replies.map(({ reason }) => reason)).toEqual([
        'api_key.malformed',
        'api_key.unknown',
        'api_key.ended',
        'api_key.expired',
        'api_key.owner_disabled',
        'api_key.unknown',
      ])
      const answers = replies.map(({ status, body: { error, error_description } }) => [
        status,
        error,
        error_description,
      ])
      expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
        new Set([JSON.stringify([400, 'invalid_request', 'The subject token is invalid, expired or was revoked.'])]),
      )
      await site.store.updateClient({ id: 'machine', disabled: false, actor })
    })

    const unsupported: readonly [string, Form][] = [
      ['another kind of token', { subject_token_type: accessType }],
      ['a refresh token in return', { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }],
      ['an actor', { actor_token: 'somebody', actor_token_type: accessType }],
      ['the kind of an actor alone', { actor_token_type: accessType }],
    ]
    it.each(unsupported)('are not exchanged with %s [RFC 8693 §2.2.2]', async (_, form) => {
      const key = await makeKey(site, { client: 'service' })
      const { status, body, reason } = await exchange(site, key.text, form)
      expect([status, body['error'], reason]).toEqual([400, 'invalid_request', 'exchange.unsupported'])
    })

    it('need no client, and take no wrong one [RFC 8693 §2.1(f)]', async () => {
      const key = await makeKey(site, { client: 'service' })
      const assertion = await makeAssertion(site)
      const ofSigner = await makeKey(site, { client: 'signer' })
      const signed = {
        client_assertion: assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }
      const replies = [
        await exchange(site, key.text, {}, basic('service')),
        await exchange(site, key.text, {}, basic('service', 'wrong')),
        await exchange(site, key.text, { client_id: 'service' }),
        await exchange(site, ofSigner.text, signed),
        await exchange(site, ofSigner.text, signed),
        await exchange(site, (await makeKey(site)).text, { client_id: personalTokenClient }),
      ]
      expect(replies.map(({ status, reason }) => reason ?? status)).toEqual([
        200,
        'client.secret_wrong',
        'client.method_mismatch',
        200,
        'client.assertion_replayed',
        200,
      ])
    })

    it.each([{ subject_token_type: keyType }, { subject_token: 'arctos_ak_nothing' }])(
      'are missing in %j [RFC 8693 §2.1(a)(b)]',
      async (form) => {
        const { status, body, reason } = await site.post('/token', { grant_type: exchangeType, ...form })
        expect([status, body['error'], reason]).toEqual([400, 'invalid_request', 'request.missing_parameter'])
      },
    )

    it.each(['notes', `${notes}#part`])('are not for the resource %j [RFC 8693 §2.1(d)]', async (resource) => {
      const key = await makeKey(site, { client: 'service' })
      const { status, body, reason } = await exchange(site, key.text, { resource })
      expect([status, body['error'], reason]).toEqual([400, 'invalid_target', 'resource.malformed'])
    })

    it('are limited, each by itself, and told when to come again', async () => {
      const [busy, quiet] = [await makeKey(site, { client: 'service' }), await makeKey(site, { client: 'service' })]
      const { exchangeLimit } = site.server.context
      for (let count = 0; count < 99; count++) exchangeLimit.take(sha256Base64url(busy.text))
      expect((await exchange(site, busy.text)).status).toBe(200)
      const limited = await exchange(site, busy.text)
      expect([limited.status, limited.headers.get('retry-after'), limited.reason]).toEqual([
        429,
        '1',
        'request.limited',
      ])
      expect((await exchange(site, quiet.text)).status).toBe(200)
      site.clock.pass(1)
      expect((await exchange(site, busy.text)).status).toBe(200)
    })
  })

  describe('introspected', () => {
    it('are access tokens to their resource, of their user [RFC 7662 §2.2]', async () => {
      const key = await makeKey(site, { scopes: ['read'] })
      const seconds = site.clock.seconds()
      const { body } = await introspect(site, key.text, 'notes-api')
      expect(body).toEqual({
        active: true,
        iss: site.issuer,
        sub: site.userId,
        aud: notes,
        client_id: personalTokenClient,
        scope: 'read',
        token_type: 'Bearer',
        iat: seconds,
        exp: seconds + 86_400,
        grant_id: key.id,
      })
    })

    it('have no end where they never expire, and are known to their own client [RFC 7662 §2.2]', async () => {
      const key = await makeKey(site, { client: 'service', lifetimeSeconds: 'never' })
      const { body } = await introspect(site, key.text, 'service')
      expect([body['active'], body['sub'], 'exp' in body]).toEqual([true, 'service', false])
    })

    it('are inactive for anybody else, and once they ended or expired [RFC 7662 §2.2(c), RFC 7662 §4]', async () => {
      const key = await makeKey(site, { client: 'service' })
      const short = await makeKey(site, { client: 'service', lifetimeSeconds: 60 })
      const answers = [
        await introspect(site, key.text, 'archive-api'),
        await introspect(site, key.text, 'rival'),
        await introspect(site, `${key.text.slice(0, -1)}~`, 'notes-api'),
      ]
      site.clock.pass(60)
      answers.push(await introspect(site, short.text, 'notes-api'))
      await site.store.endApiKey({ keyId: key.id, actor })
      answers.push(await introspect(site, key.text, 'notes-api'))
      expect(answers.map(({ text }) => text)).toEqual(answers.map(() => '{"active":false}'))
    })
  })

  describe('brought back', () => {
    it('end, for their own client [RFC 7009 §2.1]', async () => {
      const key = await makeKey(site, { client: 'service' })
      await revoke(site, key.text, 'rival')
      expect((await introspect(site, key.text, 'notes-api')).body).toMatchObject({ active: true })
      await revoke(site, key.text, 'service')
      expect((await introspect(site, key.text, 'notes-api')).body).toEqual({ active: false })
    })

    it('end by whoever holds a personal one [RFC 7009 §2.1]', async () => {
      const key = await makeKey(site)
      expect((await site.post('/revoke', { token: key.text, client_id: personalTokenClient })).text).toBe('{}')
      expect((await introspect(site, key.text, 'notes-api')).body).toEqual({ active: false })
    })
  })

  it('say when they were used last, without a write for each use', async () => {
    const key = await makeKey(site, { client: 'basic' })
    const lastUse = async () => {
      const [listed] = await site.store.listApiKeys({ kind: 'client', clientId: 'basic' })
      return listed?.lastUsedAt
    }
    await introspect(site, key.text, 'notes-api')
    site.clock.pass(5)
    await Promise.all(Array.from({ length: 20 }, () => exchange(site, key.text)))
    const usedAt = site.clock.seconds()
    site.clock.pass(30)
    await introspect(site, key.text, 'archive-api')
    expect(await lastUse()).toBeUndefined()
    await site.server.context.secretUses.flush()
    expect(await lastUse()).toBe(usedAt)
  })

  it('are in no line of the journal [DESIGN §6]', async () => {
    const key = await makeKey(site, { client: 'service' })
    const before = site.journal.length
    await exchange(site, key.text)
    await exchange(site, key.text, { scope: 'other' })
    await exchange(site, 'x', { subject_token_type: key.text, scope: key.text })
    await introspect(site, key.text, 'notes-api')
    await revoke(site, key.text, 'service')
    const lines = site.journal.slice(before)
    expect(lines).toHaveLength(5)
    expect(JSON.stringify(lines)).not.toContain(key.text.slice(0, 30))
    expect(lines[0]).toMatchObject({ client: 'service', grant: key.id, grantType: exchangeType, outcome: 'issued' })
  })

  describe('secrets of a client', () => {
    it('work both, until one is removed or expires [RFC 6749 §2.3.1]', async () => {
      const ask = async (clientSecret: string) =>
        (await site.post('/token', { grant_type: 'client_credentials' }, basic('reader', clientSecret))).status
      const added = { clientId: 'reader', hash: sha256Base64url('the second'), lifetimeSeconds: 100, actor }
      await site.store.addClientSecret(added)
      expect([await ask(secret), await ask('the second'), await ask('a third')]).toEqual([200, 200, 401])
      site.clock.pass(100)
      expect([await ask(secret), await ask('the second')]).toEqual([200, 401])
      const [first] = (await site.store.listClientSecrets('reader')) ?? []
      await site.store.removeClientSecret({ clientId: 'reader', mark: first?.mark ?? '', actor })
      expect(await ask(secret)).toBe(401)
    })

    it('say when they were used last, also if the server stops right after', async () => {
      await registerClient(site.store, 'counted', {}, 'a secret of its own')
      const askAndList = async (clientSecret: string) => {
        const stop = site.server.startUpkeep()
        await site.post('/token', { grant_type: 'client_credentials' }, basic('counted', clientSecret))
        await stop()
        return site.store.listClientSecrets('counted')
      }
      expect(await askAndList('wrong')).toMatchObject([{ lastUsedAt: undefined }])
      expect(await askAndList('a secret of its own')).toMatchObject([{ lastUsedAt: site.clock.seconds() }])
    })
  })
})
