import { codeChallengeOf } from '@arctos/core'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import {
  type Agreement,
  ask,
  assertionForm,
  introspect,
  isActive,
  type MintedCode,
  makeAssertion,
  mintCode,
  refresh,
  type Tokens,
  tokensOf,
} from './flows.ts'
import {
  archive,
  basic,
  callback,
  type Installation,
  install,
  legacy,
  notes,
  type Reply,
  secret,
} from './installation.ts'

const invalidGrant = 'The code or refresh token is invalid, expired, spent or was issued to another client.'

describe.each(databaseKinds)('authorization codes on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
  })
  afterAll(() => site.end())

  function expectRefused(reply: Reply, reason: string, error = 'invalid_grant'): void {
    expect([reply.reason, reply.status, reply.body['error']]).toEqual([reason, 400, error])
    if (error === 'invalid_grant') expect(reply.body['error_description']).toBe(invalidGrant)
  }
  const mint = (agreement?: Agreement): Promise<MintedCode> => mintCode(site, agreement)

  describe('a right exchange', () => {
    it('gives tokens of the user for what was agreed [RFC 6749 §5.1(a)(b)(c)(d), RFC 7636 §4.6(b), RFC 9068 §2.2(h)]', async () => {
      const { status, headers, body } = await ask(site, (await mint({ scopes: ['read'] })).form)
      expect(status).toBe(200)
      expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 600, scope: 'read' })
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache'])
      const claims = decodeJwt(String(body['access_token']))
      expect(claims).toMatchObject({ sub: site.userId, client_id: 'service', aud: notes, scope: 'read' })
      expect(claims['grant_id']).toMatch(/^[\w-]{16}$/)
      expect(claims['auth_time']).toBe(site.clock.seconds())
    })

    it('gives a refresh token for offline_access only, and says so', async () => {
      expect(tokensOf(await ask(site, (await mint({ scopes: ['read'] })).form)).refresh).toBeUndefined()
      const { refresh: token, scope } = tokensOf(
        await ask(site, (await mint({ scopes: ['read', 'offline_access'] })).form),
      )
      expect(token).toMatch(/^arctos_rt_[0-9A-Za-z]{108}$/)
      expect(scope).toBe('read offline_access')
    })

    it('tells the resource nothing of offline_access, which means nothing there [RFC 9068 §2.2.3(a)]', async () => {
      const { access } = tokensOf(await ask(site, (await mint({ scopes: ['read', 'offline_access'] })).form))
      expect(decodeJwt(access)['scope']).toBe('read')
      expect((await introspect(site, access)).body['scope']).toBe('read')
    })

    it('works for a public client that names itself [RFC 6749 §3.2.1(b), RFC 10017 §6.3.3.1]', async () => {
      const { form } = await mint({ clientId: 'app' })
      expect((await site.post('/token', form)).reason).toBe('client.missing')
      expect((await site.post('/token', { ...form, client_id: 'app' })).status).toBe(200)
    })

    it('works for a client with a key [RFC 6749 §2.3.2]', async () => {
      const { form } = await mint({ clientId: 'signer' })
      const proof = assertionForm(await makeAssertion(site))
      expect((await site.post('/token', { ...form, ...proof })).status).toBe(200)
      const next = await mint({ clientId: 'signer' })
      expect((await site.post('/token', { ...next.form, ...proof })).reason).toBe('client.assertion_replayed')
      expect((await site.post('/token', { ...next.form, ...assertionForm(await makeAssertion(site)) })).status).toBe(
        200,
      )
    })

    it('takes no notice of parameters of other grants', async () => {
      const { form } = await mint()
      const mixed = { ...form, refresh_token: 'arctos_rt_x', username: 'ada', password: 'x', scope: 'delete' }
      expect((await ask(site, mixed)).status).toBe(200)
    })
  })

  describe('a code', () => {
    it.each(['code', 'code_verifier'])(
      'cannot be redeemed without %s [RFC 6749 §4.1.3(g), RFC 7636 §4.5(a)]',
      async (name) => {
        const { form } = await mint()
        expectRefused(await ask(site, { ...form, [name]: undefined }), 'request.missing_parameter', 'invalid_request')
        expectRefused(await ask(site, { ...form, [name]: '' }), 'request.missing_parameter', 'invalid_request')
        expect((await ask(site, form)).status).toBe(200)
      },
    )

    it('is refused when unknown, altered, cut, long or of another kind [RFC 6749 §4.1.3(e)]', async () => {
      const { code, form } = await mint()
      const { access } = tokensOf(await ask(site, (await mint({ resources: [archive], scopes: ['archive'] })).form))
      const other = `${code.slice(0, 12)}${code[12] === 'A' ? 'B' : 'A'}${code.slice(13)}`
      for (const bad of [other, code.slice(0, -1), `${code}0`, code.toLowerCase(), 'x', 'y'.repeat(50_000), access])
        expectRefused(await ask(site, { ...form, code: bad }), 'code.unknown')
      expectRefused(await ask(site, { ...form, code: code.replace('_ac_', '_at_') }), 'code.unknown')
      expect((await ask(site, form)).status).toBe(200)
    })

    it('is refused to any other client, and is as good as unknown to it [RFC 6749 §4.1.3(d)]', async () => {
      const { form } = await mint()
      for (const clientId of ['rival', 'app']) expectRefused(await ask(site, form, clientId), 'code.unknown')
      const forApp = await mint({ clientId: 'app' })
      for (const clientId of ['service', 'other-app'])
        expectRefused(await ask(site, forApp.form, clientId), 'code.unknown')
      expect((await ask(site, form)).status).toBe(200)
      expect((await ask(site, forApp.form, 'app')).status).toBe(200)
    })

    it('is good for a minute, and no second longer [RFC 6749 §4.1.2(b), RFC 6749 §4.1.3(e)]', async () => {
      const inTime = await mint()
      site.clock.pass(59)
      expect((await ask(site, inTime.form)).status).toBe(200)
      const late = await mint()
      site.clock.pass(60)
      expectRefused(await ask(site, late.form), 'code.expired')
    })

    it('needs the client to authenticate as it does elsewhere [RFC 6749 §4.1.3(b)(c), RFC 6749 §3.2.1(a)]', async () => {
      const { form } = await mint()
      const wrong = [
        await site.post('/token', form, basic('service', 'wrong')),
        await site.post('/token', { ...form, client_id: 'service' }),
        await site.post('/token', { ...form, client_id: 'service', client_secret: 'wrong' }),
      ]
      expect(wrong.map(({ status }) => status)).toEqual([401, 401, 401])
      const forApp = await mint({ clientId: 'app' })
      const offered = { ...forApp.form, client_id: 'app', client_secret: secret }
      expect((await site.post('/token', offered)).reason).toBe('client.method_mismatch')
      expect((await ask(site, form)).status).toBe(200)
    })

    it('is refused to a client that may not use codes', async () => {
      const { form } = await mint({ clientId: 'machine' })
      expectRefused(await ask(site, form, 'machine'), 'client.grant_type_not_allowed', 'unauthorized_client')
    })
  })

  describe('the redirect_uri', () => {
    it.each([
      ['nothing', undefined],
      ['nothing but its name', ''],
      ['another', 'https://app.example/other'],
      ['a slash more', `${callback}/`],
      ['a query more', `${callback}?x=1`],
      ['other letters', callback.toUpperCase()],
      ['an escape for a letter', callback.replace('callback', '%63allback')],
      ['its port', callback.replace('.example', '.example:443')],
    ])('that was sent is sent again, byte for byte, and not %s [RFC 6749 §4.1.3(a)]', async (_, sent) => {
      const { form } = await mint()
      expectRefused(await ask(site, { ...form, redirect_uri: sent }), 'code.redirect_uri_mismatch')
      expect((await ask(site, form)).status).toBe(200)
    })

    it('that was not sent may be left out, or be the one that was meant [RFC 6749 §4.1.3(a)]', async () => {
      expect((await ask(site, (await mint({ redirectUriSent: false })).form)).status).toBe(200)
      const { form } = await mint({ redirectUriSent: false })
      expectRefused(await ask(site, { ...form, redirect_uri: `${callback}x` }), 'code.redirect_uri_mismatch')
      expect((await ask(site, { ...form, redirect_uri: callback })).status).toBe(200)
    })
  })

  describe('the verifier', () => {
    it('has to be the one of the challenge [RFC 7636 §4.6(a)]', async () => {
      const { form } = await mint()
      expectRefused(await ask(site, { ...form, code_verifier: 'x'.repeat(43) }), 'code.verifier_wrong')
      expect((await ask(site, form)).status).toBe(200)
    })

    it('belongs to its own code [RFC 7636 §4.4(a)]', async () => {
      const [one, two] = [await mint(), await mint()]
      expectRefused(await ask(site, { ...one.form, code_verifier: two.verifier }), 'code.verifier_wrong')
      expectRefused(await ask(site, { ...two.form, code_verifier: one.verifier }), 'code.verifier_wrong')
    })

    it('is never the challenge itself, for the method is S256 [RFC 7636 §4.5(b)]', async () => {
      const { form, verifier } = await mint()
      expectRefused(await ask(site, { ...form, code_verifier: codeChallengeOf(verifier) }), 'code.verifier_wrong')
      const plain = { ...form, code_verifier: codeChallengeOf(verifier), code_challenge_method: 'plain' }
      expectRefused(await ask(site, plain), 'code.verifier_wrong')
    })

    it.each([42, 129])('of %i characters is none [RFC 7636 §4.1(b)]', async (length) => {
      const { form } = await mint()
      const bad = { ...form, code_verifier: 'x'.repeat(length) }
      expectRefused(await ask(site, bad), 'request.invalid_parameter', 'invalid_request')
    })

    it('has unreserved characters only [RFC 7636 §4.1(b)]', async () => {
      const { form } = await mint()
      for (const letter of ['=', '+', '/', ' ', 'é', '\n']) {
        const bad = { ...form, code_verifier: letter.repeat(43) }
        expectRefused(await ask(site, bad), 'request.invalid_parameter', 'invalid_request')
      }
    })
  })

  describe('a code that was redeemed', () => {
    const redeem = async (agreement?: Agreement): Promise<MintedCode & { readonly tokens: Tokens }> => {
      const minted = await mint(agreement)
      return { ...minted, tokens: tokensOf(await ask(site, minted.form)) }
    }

    it('is denied the second time, and everything that it gave ends [RFC 6749 §4.1.2(a)(g), RFC 6749 §10.5(d)]', async () => {
      const { form, tokens } = await redeem()
      expect(await isActive(site, tokens.access)).toBe(true)
      const next = tokensOf(await refresh(site, tokens.refresh))
      expectRefused(await ask(site, form), 'code.spent')
      expect(await isActive(site, tokens.access)).toBe(false)
      expect(await isActive(site, next.access)).toBe(false)
      expect((await refresh(site, next.refresh)).reason).toBe('refresh.ended')
    })

    it('ends opaque tokens likewise [RFC 6749 §4.1.2(g)]', async () => {
      const { form, tokens } = await redeem({ resources: [archive], scopes: ['archive'] })
      expect(await isActive(site, tokens.access, 'archive-api')).toBe(true)
      expectRefused(await ask(site, form), 'code.spent')
      expect(await isActive(site, tokens.access, 'archive-api')).toBe(false)
    })

    it('ends nothing for whoever has read it in a log: without the verifier, or as another client', async () => {
      const { form, tokens } = await redeem()
      expectRefused(await ask(site, { ...form, code_verifier: 'x'.repeat(43) }), 'code.spent')
      expectRefused(await ask(site, form, 'rival'), 'code.unknown')
      expectRefused(await ask(site, form, 'app'), 'code.unknown')
      expect(await isActive(site, tokens.access)).toBe(true)
    })

    it('is still known, and ends its grant, when it has long expired', async () => {
      const { form, tokens } = await redeem()
      site.clock.pass(500)
      expectRefused(await ask(site, form), 'code.spent')
      expect(await isActive(site, tokens.access)).toBe(false)
    })
  })

  describe('failed exchanges', () => {
    it('nine of them leave the code good', async () => {
      const { form } = await mint()
      for (let attempt = 1; attempt <= 9; attempt++)
        expectRefused(await ask(site, { ...form, code_verifier: 'x'.repeat(43) }), 'code.verifier_wrong')
      expect((await ask(site, form)).status).toBe(200)
    })

    it('ten of them spend it [RFC 6749 §10.10(a)]', async () => {
      const { form } = await mint()
      for (let attempt = 1; attempt <= 9; attempt++)
        expectRefused(await ask(site, { ...form, code_verifier: 'x'.repeat(43) }), 'code.verifier_wrong')
      expectRefused(await ask(site, { ...form, code_verifier: 'x'.repeat(43) }), 'code.too_many_attempts')
      expectRefused(await ask(site, form), 'code.spent')
    })

    it('twenty at one time count as twenty', async () => {
      const { form } = await mint()
      const bad = { ...form, code_verifier: 'x'.repeat(43) }
      await Promise.all(Array.from({ length: 20 }, () => ask(site, bad)))
      expectRefused(await ask(site, form), 'code.spent')
    })
  })

  describe('the resource', () => {
    const both = { resources: [notes, archive], scopes: ['read', 'archive', 'offline_access'] }

    it('of a token is one that was authorized, and its scope what means something there [RFC 9068 §2.2.3(a), RFC 9068 §5, RFC 8707 §2.2]', async () => {
      const forNotes = tokensOf(await ask(site, { ...(await mint(both)).form, resource: notes }))
      expect(decodeJwt(forNotes.access)).toMatchObject({ aud: notes, scope: 'read' })
      expect(forNotes.scope).toBe('read offline_access')
      const forArchive = tokensOf(await ask(site, { ...(await mint(both)).form, resource: archive }))
      expect((await introspect(site, forArchive.access, 'archive-api')).body).toMatchObject({
        aud: archive,
        scope: 'archive',
      })
      expect(forArchive.scope).toBe('archive offline_access')
    })

    it('has to be chosen where the authorized ones take different tokens [RFC 9068 §3(b)]', async () => {
      const { form } = await mint(both)
      expectRefused(await ask(site, form), 'resource.exceeds_grant', 'invalid_target')
      expect((await ask(site, { ...form, resource: notes })).status).toBe(200)
    })

    it.each([legacy, 'https://unknown.example'])(
      'is never another, like %s, and asking spends nothing',
      async (resource) => {
        const { form } = await mint()
        expectRefused(await ask(site, { ...form, resource }), 'resource.exceeds_grant', 'invalid_target')
        expectRefused(
          await ask(site, { ...form, resource: [notes, resource] }),
          'resource.exceeds_grant',
          'invalid_target',
        )
        expectRefused(await ask(site, { ...form, resource: 'notes' }), 'resource.malformed', 'invalid_target')
        expect((await ask(site, { ...form, resource: `${notes}/` })).status).toBe(200)
      },
    )
  })

  describe('between approval and exchange', () => {
    it('a user who is disabled or has a new password makes the code worthless', async () => {
      const { form } = await mint()
      await site.store.changeUser({ id: site.userId, passwordHash: 'another', actor: 'test' })
      expectRefused(await ask(site, form), 'refresh.principal_disabled')
      site.clock.pass(2)
      const next = await mint()
      await site.store.changeUser({ id: site.userId, disabled: true, actor: 'test' })
      expectRefused(await ask(site, next.form), 'refresh.principal_disabled')
      await site.store.changeUser({ id: site.userId, disabled: false, actor: 'test' })
      expectRefused(await ask(site, next.form), 'refresh.principal_disabled')
      site.clock.pass(2)
      expect((await ask(site, (await mint()).form)).status).toBe(200)
    })
  })

  describe('fifty that bring one code at one time', () => {
    it.each([
      ['JWTs', notes, 'read', 'notes-api'],
      ['opaque tokens', archive, 'archive', 'archive-api'],
    ])(
      'have one success among them, of %s, which ends at once: some of them were replays [RFC 6749 §4.1.2(a)]',
      async (_, resource, scope, rs) => {
        const { form } = await mint({ resources: [resource], scopes: [scope, 'offline_access'] })
        const replies = await Promise.all(Array.from({ length: 50 }, () => ask(site, form)))
        const won = replies.filter(({ status }) => status === 200)
        expect(won).toHaveLength(1)
        expect(replies.filter(({ reason }) => reason === 'code.spent')).toHaveLength(49)
        const { access, refresh: token } = tokensOf(won[0] as Reply)
        expect(await isActive(site, access, rs)).toBe(false)
        expect((await refresh(site, token)).reason).toBe('refresh.ended')
      },
    )
  })
})
