import { parseOpaqueToken, sha256Base64url } from '@arctos/core'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { assertionForm, isActive, makeAssertion, refresh, revoke, tokensOf } from './flows.ts'
import {
  archive,
  basic,
  type Form,
  type Installation,
  install,
  notes,
  publicJwkOf,
  type Reply,
  registerClient,
  signerKey,
  signerKid,
} from './installation.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:device_code'
const invalidGrant = 'The code or refresh token is invalid, expired, spent or was issued to another client.'

describe.each(databaseKinds)('device codes on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
    const publicClient = { authenticationMethods: ['none' as const], grantTypes: [grantType], redirectUris: [] }
    await registerClient(site.store, 'tv', { ...publicClient, name: 'Television' })
    await registerClient(site.store, 'radio', publicClient)
    await registerClient(site.store, 'printer', { grantTypes: [grantType] })
    await registerClient(site.store, 'robot', {
      authenticationMethods: ['private_key_jwt'],
      grantTypes: [grantType],
      keys: [publicJwkOf(signerKey, { kid: signerKid, alg: 'ES256' })],
    })
  })
  afterAll(() => site.end())

  const ask = (form: Form = {}): Promise<Reply> => site.post('/device_authorization', { client_id: 'tv', ...form })
  const poll = (code: string, form: Form = {}): Promise<Reply> =>
    site.post('/token', { client_id: 'tv', grant_type: grantType, device_code: code, ...form })
  const start = async (form: Form = {}): Promise<string> => {
    const { status, text, body } = await ask({ scope: 'read offline_access', ...form })
    expect(status, text).toBe(200)
    return String(body['device_code'])
  }
  const decide = async (code: string, approved = true, clientId = 'tv'): Promise<void> => {
    const { outcome } = await site.store.decideDevice({
      deviceCodeHash: sha256Base64url(code),
      clientId,
      userId: site.userId,
      authenticatedAt: site.clock.seconds(),
      approved,
    })
    expect(outcome).toBe(approved ? 'approved' : 'denied')
  }
  const refused = ({ reason, status, body }: Reply): readonly unknown[] => [reason, status, body['error']]

  describe('a request for codes', () => {
    it('is answered with all that a device needs, and kept by no cache [RFC 8628 §3.2(a), RFC 8628 §6.1(a)]', async () => {
      const { status, headers, body } = await ask({ scope: 'read' })
      expect(status).toBe(200)
      expect(body).toEqual({
        device_code: expect.stringMatching(/^arctos_dc_[0-9A-Za-z]{54}$/),
        user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/),
        verification_uri: `${site.issuer}/device`,
        verification_uri_complete: `${site.issuer}/device?user_code=${body['user_code']}`,
        expires_in: 600,
        interval: 5,
      })
      expect(headers.get('cache-control')).toBe('no-store')
    })

    it('gives a device code of 256 bits, of which the database has a hash only [RFC 8628 §5.2]', async () => {
      const { body } = await ask()
      expect(parseOpaqueToken('deviceCode', String(body['device_code']), 32)).toBeDefined()
      const again = await ask()
      expect(again.body['device_code']).not.toBe(body['device_code'])
      expect(again.body['user_code']).not.toBe(body['user_code'])
    })

    it('needs the client authentication of the token endpoint [RFC 8628 §3.1(b), RFC 8628 §5.6]', async () => {
      expect(refused(await site.post('/device_authorization', {}))).toEqual(['client.missing', 401, 'invalid_client'])
      expect(refused(await ask({ client_id: 'nobody' }))).toEqual(['client.unknown', 401, 'invalid_client'])
      expect(refused(await ask({ client_id: 'printer' }))).toEqual(['client.method_mismatch', 401, 'invalid_client'])
      expect((await site.post('/device_authorization', {}, basic('printer'))).status).toBe(200)
      const wrong = await site.post('/device_authorization', {}, basic('printer', 'arctos_cs_wrong'))
      expect(refused(wrong)).toEqual(['client.secret_wrong', 401, 'invalid_client'])
    })

    it('takes an assertion once', async () => {
      const assertion = await makeAssertion(site, { iss: 'robot', sub: 'robot' })
      const form = { client_id: 'robot', ...assertionForm(assertion) }
      expect((await ask(form)).status).toBe(200)
      expect(refused(await ask(form))).toEqual(['client.assertion_replayed', 401, 'invalid_client'])
    })

    it('is for clients that were registered for it', async () => {
      const form = { client_id: 'app' }
      expect(refused(await ask(form))).toEqual(['client.grant_type_not_allowed', 400, 'unauthorized_client'])
      expect(refused(await poll('none', form))).toEqual(['client.grant_type_not_allowed', 400, 'unauthorized_client'])
      const resourceServer = await site.post('/device_authorization', {}, basic('notes-api'))
      expect(resourceServer.body['error']).toBe('unauthorized_client')
    })

    it.each([
      ['scope.unknown', 'invalid_scope', { scope: 'fly' }],
      ['scope.malformed', 'invalid_scope', { scope: 'read  write' }],
      ['resource.unknown', 'invalid_target', { resource: 'https://elsewhere.example' }],
      ['resource.malformed', 'invalid_target', { resource: 'notes' }],
    ])('is refused with %s [RFC 8628 §3.2(c)]', async (reason, error, form) => {
      expect(refused(await ask(form))).toEqual([reason, 400, error])
    })

    it('is refused for a scope that this client was not registered for [RFC 10027 §6.1.9]', async () => {
      const settings = { authenticationMethods: ['none' as const], grantTypes: [grantType], scopes: ['read'] }
      await registerClient(site.store, 'reading-lamp', settings)
      expect((await ask({ client_id: 'reading-lamp', scope: 'read' })).status).toBe(200)
      const wider = await ask({ client_id: 'reading-lamp', scope: 'read write' })
      expect(refused(wider)).toEqual(['scope.unknown', 400, 'invalid_scope'])
    })

    it('counts empty parameters as absent, and ignores unknown ones [RFC 8628 §3.1(c)(d)]', async () => {
      expect((await ask({ scope: '', audience: '', colour: 'blue' })).status).toBe(200)
    })

    it('refuses a repeated parameter [RFC 8628 §3.1(e)]', async () => {
      const reply = await site.post('/device_authorization', 'client_id=tv&scope=read&scope=write')
      expect(refused(reply)).toEqual(['request.duplicate_parameter', 400, 'invalid_request'])
    })

    it('is limited by address [RFC 10027 §6.1.11]', async () => {
      const own = await install({ database })
      await registerClient(own.store, 'tv', { authenticationMethods: ['none'], grantTypes: [grantType] })
      const answers = await Promise.all(
        Array.from({ length: 65 }, () => own.post('/device_authorization', { client_id: 'tv' })),
      )
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status === 200)).toHaveLength(60)
      const limited = answers.find(({ status }) => status === 429)
      expect([limited?.reason, limited?.headers.get('retry-after')]).toEqual(['request.limited', '1'])
      await own.end()
    })
  })

  describe('a poll', () => {
    it('before the user has decided is told to wait [RFC 8628 §3.5(b)]', async () => {
      const reply = await poll(await start())
      expect(refused(reply)).toEqual(['device.pending', 400, 'authorization_pending'])
      expect(site.journal.at(-1)).toMatchObject({ endpoint: 'token', grantType, outcome: 'pending' })
    })

    it('that comes too early has to slow down, by five seconds more each time [RFC 8628 §3.5(c)]', async () => {
      const code = await start()
      const answers: unknown[] = []
      for (const seconds of [0, 1, 6, 16]) {
        site.clock.pass(seconds)
        answers.push((await poll(code)).reason)
      }
      expect(answers).toEqual(['device.pending', 'device.slow_down', 'device.slow_down', 'device.pending'])
      expect((await poll(code)).body['error']).toBe('slow_down')
    })

    it('gives tokens of the user once approved [RFC 8628 §3.5(a), RFC 6749 §5.1(a)(b)(c)(d)]', async () => {
      const code = await start()
      await decide(code)
      const { status, headers, body } = await poll(code)
      expect(status).toBe(200)
      expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 600, scope: 'read offline_access' })
      expect(headers.get('cache-control')).toBe('no-store')
      const claims = decodeJwt(String(body['access_token']))
      expect(claims).toMatchObject({ sub: site.userId, client_id: 'tv', aud: notes, scope: 'read' })
      expect(claims['auth_time']).toBe(site.clock.seconds())
    })

    it('gives tokens that are refreshed, looked up and taken back like any other', async () => {
      const code = await start({ scope: 'archive offline_access', resource: archive })
      await decide(code)
      const tokens = tokensOf(await poll(code))
      expect(await isActive(site, tokens.access, 'archive-api')).toBe(true)
      const form = { client_id: 'tv', grant_type: 'refresh_token', refresh_token: tokens.refresh }
      const refreshed = tokensOf(await site.post('/token', form))
      expect((await site.post('/revoke', { client_id: 'tv', token: refreshed.refresh })).status).toBe(200)
      expect(await isActive(site, refreshed.access, 'archive-api')).toBe(false)
    })

    it('gives no refresh token without offline_access', async () => {
      const code = await start({ scope: 'read' })
      await decide(code)
      expect(tokensOf(await poll(code)).refresh).toBeUndefined()
    })

    it('may ask for one of the resources that were approved, and for no other [RFC 8707 §2.2(a)]', async () => {
      const code = await start({ scope: 'read archive', resource: [notes, archive] })
      await decide(code)
      const exceeding = await poll(code, { resource: 'https://legacy.example' })
      expect(refused(exceeding)).toEqual(['resource.exceeds_grant', 400, 'invalid_target'])
      expect(tokensOf(await poll(code, { resource: archive })).scope).toBe('archive')
    })

    it('of twenty at the moment of approval one gets tokens [RFC 8628 §3.5(a)]', async () => {
      const code = await start()
      await decide(code)
      const replies = await Promise.all(Array.from({ length: 20 }, () => poll(code)))
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
      const others = replies.filter(({ status }) => status !== 200)
      expect(new Set(others.map((reply) => refused(reply).join(' ')))).toEqual(
        new Set(['device.spent 400 invalid_grant']),
      )
    })

    it('of two nodes gets tokens once', async () => {
      const other = await site.startNode()
      const code = await start()
      await decide(code)
      const body = new URLSearchParams({ client_id: 'tv', grant_type: grantType, device_code: code }).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const beside = other.handle(new Request(`${site.issuer}/token`, { method: 'POST', headers, body }), {
        address: '192.0.2.1',
      })
      const statuses = [(await poll(code)).status, (await beside).status]
      expect(statuses.sort()).toEqual([200, 400])
    })

    it('after its tokens were given is answered like an unknown code', async () => {
      const code = await start()
      await decide(code)
      const { access } = tokensOf(await poll(code))
      const replayed = await poll(code)
      expect(refused(replayed)).toEqual(['device.spent', 400, 'invalid_grant'])
      expect(replayed.body['error_description']).toBe(invalidGrant)
      expect(await isActive(site, access)).toBe(true)
    })

    it('with a code that nobody has, or of another client, is refused alike [RFC 6749 §5.2(a)]', async () => {
      const code = await start()
      await decide(code)
      const altered = code.slice(0, -9) + (code.at(-9) === 'A' ? 'B' : 'A') + code.slice(-8)
      const replies = [await poll('nonsense'), await poll(altered), await poll(code, { client_id: 'radio' })]
      for (const reply of replies) {
        expect(refused(reply)).toEqual(['device.unknown', 400, 'invalid_grant'])
        expect(reply.body['error_description']).toBe(invalidGrant)
      }
      expect((await poll(code)).status).toBe(200)
    })

    it('of a confidential client needs its proof [RFC 8628 §3.4(b)]', async () => {
      const answered = await site.post('/device_authorization', { scope: 'read' }, basic('printer'))
      const form = { grant_type: grantType, device_code: String(answered.body['device_code']) }
      expect((await site.post('/token', { ...form, client_id: 'printer' })).reason).toBe('client.method_mismatch')
      await decide(form.device_code, true, 'printer')
      expect((await site.post('/token', form, basic('printer'))).status).toBe(200)
    })

    it('after the user refused is told so [RFC 8628 §3.5(d)]', async () => {
      const code = await start()
      await decide(code, false)
      expect(refused(await poll(code))).toEqual(['device.denied', 400, 'access_denied'])
    })

    it('after ten minutes is told that the code has expired [RFC 8628 §3.5(e), RFC 10027 §6.1.2]', async () => {
      const code = await start()
      await decide(code)
      site.clock.pass(600)
      expect(refused(await poll(code))).toEqual(['device.expired', 400, 'expired_token'])
    })

    it('needs the code', async () => {
      const reply = await site.post('/token', { client_id: 'tv', grant_type: grantType })
      expect(refused(reply)).toEqual(['request.missing_parameter', 400, 'invalid_request'])
    })

    it('for a user who was disabled after approving gives nothing', async () => {
      const created = await site.store.createUser({ username: 'eve', passwordHash: 'of a password', actor: 'test' })
      if (created.outcome !== 'created') throw new Error('the user was not created')
      const code = await start()
      const decision = { deviceCodeHash: sha256Base64url(code), clientId: 'tv', userId: created.id }
      await site.store.decideDevice({ ...decision, authenticatedAt: site.clock.seconds(), approved: true })
      await site.store.changeUser({ id: created.id, disabled: true, actor: 'test' })
      expect(refused(await poll(code))).toEqual(['refresh.principal_disabled', 400, 'invalid_grant'])
    })

    it('spends the assertion of its client', async () => {
      const robot = { iss: 'robot', sub: 'robot' }
      const started = await ask({ client_id: 'robot', ...assertionForm(await makeAssertion(site, robot)) })
      const again = { client_id: 'robot', ...assertionForm(await makeAssertion(site, robot)) }
      const code = String(started.body['device_code'])
      expect((await poll(code, again)).reason).toBe('device.pending')
      expect((await poll(code, again)).reason).toBe('client.assertion_replayed')
    })
  })

  it('lets the other grant types of a client alone', async () => {
    const tokens = { client_id: 'tv', grant_type: 'client_credentials' }
    expect((await site.post('/token', tokens)).body['error']).toBe('unauthorized_client')
    expect((await refresh(site, 'arctos_rt_none')).body['error']).toBe('invalid_grant')
    expect((await revoke(site, 'none')).status).toBe(200)
  })
})
