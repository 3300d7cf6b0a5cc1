import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { formatOpaqueToken } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { type AssertionChanges, type AssertionHeader, assertionForm, makeAssertion } from './flows.ts'
import {
  basic,
  encodeForm,
  type Form,
  type HeaderFields,
  type Installation,
  install,
  publicJwkOf,
  type Reply,
  registerClient,
  secret,
} from './installation.ts'

let site: Installation
beforeAll(async () => {
  site = await install()
})
afterAll(() => site.end())

const grant = { grant_type: 'client_credentials' }
const ask = (form: Form, headers?: HeaderFields): Promise<Reply> => site.post('/token', { ...grant, ...form }, headers)
const header = (text: string): { readonly authorization: string } => ({ authorization: text })
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** An answer without what differs from one receipt to the next. */
function withoutReceipt({ status, headers, text }: Reply): unknown {
  const receipt = headers.get('arctos-receipt') ?? ''
  const shown = [...headers].filter(([name]) => name !== 'arctos-receipt')
  return { status, headers: shown, text: text.replace(receipt, ''), receiptLength: receipt.length }
}

describe('client secrets', () => {
  it('are taken by HTTP Basic [RFC 6749 §2.3.1(a), RFC 6749 §3.2.1(a), RFC 6749 §4.4.2(a)]', async () => {
    expect((await ask({}, basic('basic'))).status).toBe(200)
  })

  it('are taken in the body [RFC 6749 §2.3.1(b)(c)]', async () => {
    expect((await ask({ client_id: 'post', client_secret: secret })).status).toBe(200)
  })

  it('in the body need the client_id beside them [RFC 6749 §2.3.1(b)]', async () => {
    const { status, reason } = await ask({ client_secret: secret })
    expect({ status, reason }).toEqual({ status: 401, reason: 'client.missing' })
  })

  it('cannot be left out: a confidential client that only names itself is nobody [RFC 6749 §2.2(a), RFC 6749 §2.3.1(c)]', async () => {
    for (const name of ['basic', 'post', 'service', 'signer', 'notes-api']) {
      const { status, reason } = await ask({ client_id: name })
      expect({ name, status, reason }).toEqual({ name, status: 401, reason: 'client.method_mismatch' })
    }
  })

  it('are refused when wrong, and the client is told to authenticate [RFC 6749 §5.2(b)]', async () => {
    for (const credentials of [basic('basic', 'wrong'), basic('nobody'), basic('disabled'), header('Basic !')]) {
      const reply = await ask({}, credentials)
      expect(reply.status).toBe(401)
      expect(reply.body['error']).toBe('invalid_client')
      expect(reply.headers.get('www-authenticate')).toBe('Basic realm="https://issuer.example"')
    }
  })

  it.each([
    ['basic', 'client_secret_post'],
    ['post', 'client_secret_basic'],
    ['signer', 'client_secret_basic'],
    ['app', 'client_secret_post'],
  ])('of %s are refused as %s, which it is not registered for [RFC 6749 §2.3(a)]', async (clientId, method) => {
    const inBody = { client_id: clientId, client_secret: secret }
    const reply = method === 'client_secret_post' ? await ask(inBody) : await ask({}, basic(clientId))
    expect([reply.status, reply.reason]).toEqual([401, 'client.method_mismatch'])
  })

  it('that are empty count as absent, and prove nothing [RFC 6749 §3.2(e)]', async () => {
    expect((await ask({ client_id: 'post', client_secret: '' })).reason).toBe('client.method_mismatch')
    expect((await ask({}, basic('basic', ''))).reason).toBe('client.secret_wrong')
  })

  it('of the wrong client, or of nobody, get the same answer to the byte [RFC 6749 §5.2(b)]', async () => {
    const replies = [
      await ask({}, basic('basic', 'wrong')),
      await ask({}, basic('nobody', 'wrong')),
      await ask({}, basic('disabled')),
      await ask({}, basic('post')),
      await ask({}, header(`Basic ${base64('no colon')}`)),
    ]
    expect(replies.map((reply) => reply.reason)).toEqual([
      'client.secret_wrong',
      'client.unknown',
      'client.disabled',
      'client.method_mismatch',
      'client.missing',
    ])
    for (const reply of replies) expect(withoutReceipt(reply)).toEqual(withoutReceipt(replies[0] as Reply))
  })

  it('tell a disabled client from a wrong secret to nobody without the secret', async () => {
    expect((await ask({}, basic('disabled', 'wrong'))).reason).toBe('client.secret_wrong')
  })

  it('are of so many that guessing is hopeless, and no number of guesses opens or locks the client [RFC 6749 §2.3.1(f), RFC 6749 §10.10(a)]', async () => {
    const bits = (made: string): number => (made.length - 'arctos_cs_'.length - 6) * Math.log2(62)
    expect(bits(formatOpaqueToken('clientSecret', createHash('sha256').digest()).reveal())).toBeGreaterThan(256)
    const guesses = await Promise.all(Array.from({ length: 500 }, (_, guess) => ask({}, basic('basic', `${guess}`))))
    expect(guesses.filter(({ status }) => status !== 401)).toEqual([])
    expect((await ask({}, basic('basic'))).status).toBe(200)
  })
})

describe('one method a request', () => {
  const assertion = async (): Promise<Form> => assertionForm(await makeAssertion(site))
  const inBody = { client_id: 'service', client_secret: secret }

  it('is enough, and two are refused, also when both are right [RFC 6749 §2.3(a)]', async () => {
    const twice: readonly (readonly [Form, HeaderFields?])[] = [
      [inBody, basic('service')],
      [{ ...inBody, client_secret: 'wrong' }, basic('service')],
      [await assertion(), basic('service')],
      [{ ...(await assertion()), client_secret: secret }],
      [{ ...(await assertion()), ...inBody }, basic('service')],
      [inBody, header('Bearer abc')],
      [inBody, header('')],
    ]
    for (const [form, headers] of twice) {
      const { status, reason } = await ask(form, headers)
      expect({ status, reason }).toEqual({ status: 401, reason: 'client.several_methods' })
    }
  })

  it('may repeat the client_id beside it, but not name another', async () => {
    expect((await ask({ client_id: 'basic' }, basic('basic'))).status).toBe(200)
    expect((await ask({ client_id: 'service' }, basic('basic'))).reason).toBe('client.missing')
    expect((await ask({ client_id: 'signer', ...(await assertion()) })).status).toBe(200)
    expect((await ask({ client_id: 'service', ...(await assertion()) })).reason).toBe('client.assertion_invalid')
  })

  it('is asked for where there is none [RFC 6749 §3.2.1(a)(b)]', async () => {
    const { status, reason, headers } = await ask({})
    expect([status, reason, headers.get('www-authenticate')]).toEqual([
      401,
      'client.missing',
      'Basic realm="https://issuer.example"',
    ])
  })

  it('never travels in the URI [RFC 6749 §2.3.1(d)]', async () => {
    const query = encodeForm({ ...grant, ...inBody })
    expect((await site.post(`/token?${query}`, grant)).reason).toBe('client.missing')
    expect((await site.post(`/token?${query}`, '')).reason).toBe('client.missing')
    expect(
      (await site.post(`/token?${encodeForm({ client_secret: secret })}`, { ...grant, client_id: 'post' })).reason,
    ).toBe('client.method_mismatch')
  })
})

describe('the Authorization header', () => {
  it.each([
    ['another scheme', 'Bearer abc'],
    ['no credentials', 'Basic'],
    ['only spaces', 'Basic   '],
    ['what is no base64', 'Basic ?$&%'],
    ['base64url', `Basic ${base64('basic:??>>~~')}`.replace('/', '_').replace(/=|\+/g, '-')],
    ['a list', `Basic ${base64(`basic:${secret}`)}, Basic ${base64(`basic:${secret}`)}`],
    ['no colon', `Basic ${base64('basic')}`],
    ['no name', `Basic ${base64(`:${secret}`)}`],
    ['a lone percent sign', `Basic ${base64('basic:100%')}`],
    ['bytes that are not ASCII', `Basic ${base64('basic:gehèim')}`],
    ['an escape that is not UTF-8', `Basic ${base64('basic:%ff')}`],
    ['an escaped NUL', `Basic ${base64('basic:%00')}`],
    ['a parameter', `Basic realm="x", ${base64(`basic:${secret}`)}`],
  ])('with %s authenticates nobody [RFC 6749 §4.4.2(a), RFC 6749 §10.14(a)]', async (_, value) => {
    const { status, reason } = await ask({}, header(value))
    expect({ status, reason }).toEqual({ status: 401, reason: 'client.missing' })
  })

  it('names its scheme in any case', async () => {
    const credentials = base64(`basic:${secret}`)
    for (const scheme of ['basic', 'BASIC', 'Basic '])
      expect((await ask({}, header(`${scheme} ${credentials}`))).status).toBe(200)
  })

  it.each([
    ['a percent sign', 'with%percent', '100%25 sure%'],
    ['a plus sign', 'with+plus', 'one+two three'],
    ['a colon', 'with:colon', 'se:cr:et'],
    ['a letter beyond ASCII', 'wïth', 'geheím ✓ 🐻'],
    ['everything at once', 'all %+:& ü', '%+:&=?/#\\"\' ü'],
  ])('carries %s in id and secret, form-encoded [RFC 6749 §2.3.1(a), RFC 6749 §B]', async (_, id, hard) => {
    await registerClient(site.store, id, {}, hard)
    expect((await ask({}, basic(id, hard))).status).toBe(200)
    expect((await ask({ client_id: id, client_secret: hard })).status).toBe(200)
    expect((await ask({}, basic(id, `${hard} `))).reason).toBe('client.secret_wrong')
  })
})

describe('an assertion', () => {
  const answer = async (changes: AssertionChanges, header?: AssertionHeader, key?: KeyObject): Promise<Reply> =>
    ask(assertionForm(await makeAssertion(site, changes, header, key)))
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  it('proves the client whose key signed it [RFC 6749 §2.3.2]', async () => {
    const { status, body } = await answer({})
    expect([status, body['token_type']]).toEqual([200, 'Bearer'])
    const { client_id } = JSON.parse(Buffer.from(String(body['access_token']).split('.')[1] ?? '', 'base64').toString())
    expect(client_id).toBe('signer')
  })

  it('is taken for the issuer as its one audience, and for nothing else [RFC 10070]', async () => {
    const issuer = site.issuer
    const wrong = [
      undefined,
      null,
      '',
      [],
      [issuer],
      [issuer, 'https://elsewhere.example'],
      `${issuer}/`,
      `${issuer}/token`,
      'https://ISSUER.example',
      'http://issuer.example',
      'https://issuer.example:443',
      `${issuer} `,
      { url: issuer },
    ]
    for (const aud of wrong) {
      const { status, reason } = await answer({ aud })
      expect({ aud, status, reason }).toEqual({ aud, status: 401, reason: 'client.assertion_audience' })
    }
    expect((await answer({ aud: issuer })).status).toBe(200)
  })

  it.each<readonly [string, AssertionChanges]>([
    ['another issuer', { iss: 'service' }],
    ['a subject that is another client', { sub: 'other-signer' }],
    ['no subject', { sub: undefined }],
    ['no expiry', { exp: undefined }],
    ['an expiry in the past', { exp: 1_700_000_000 }],
    ['an expiry too far ahead', { exp: 4_000_000_000 }],
    ['an expiry that is text', { exp: '4000000000' }],
    ['a beginning in the future', { nbf: 4_000_000_000 }],
    ['an issue time in the future', { iat: 4_000_000_000 }],
    ['no id', { jti: undefined }],
    ['an empty id', { jti: '' }],
    ['an endless id', { jti: 'x'.repeat(257) }],
    ['an id that is a number', { jti: 7 }],
  ])('with %s proves nothing [RFC 6749 §4.4.2(a), RFC 7523 §3]', async (_, changes) => {
    const { status, reason } = await answer(changes)
    expect([status, reason]).toEqual([401, 'client.assertion_invalid'])
  })

  it.each<readonly [string, AssertionHeader]>([
    ['the type of an access token', { typ: 'at+jwt' }],
    ['the type of a proof', { typ: 'dpop+jwt' }],
    ['an unknown key', { kid: 'signer-2' }],
  ])('with %s in its header proves nothing', async (_, header) => {
    const { status, reason } = await answer({}, header)
    expect([status, reason]).toEqual([401, 'client.assertion_invalid'])
  })

  it('signed by anybody else proves nothing', async () => {
    expect((await answer({}, {}, other)).reason).toBe('client.assertion_invalid')
  })

  it.each([
    ['no type', { client_assertion_type: undefined }],
    ['another type', { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }],
    ['garbage', { client_assertion: 'a.b.c' }],
    ['a text', { client_assertion: 'assertion' }],
    ['40 KB', { client_assertion: 'e'.repeat(40_000) }],
  ])('with %s proves nothing', async (_, changes) => {
    const { status, reason } = await ask({ ...assertionForm(await makeAssertion(site)), ...changes })
    expect({ status, reason }).toEqual({ status: 401, reason: 'client.assertion_invalid' })
  })

  it('may be signed by any of the registered keys, of any kind on offer', async () => {
    const pairs = [
      ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
      ['EdDSA', generateKeyPairSync('ed25519').privateKey],
      ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
      ['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ] as const
    const keys = pairs.map(([alg, key]) => publicJwkOf(key, { kid: `${alg}-key`, alg }))
    await registerClient(site.store, 'many-keys', { authenticationMethods: ['private_key_jwt'], keys })
    for (const [alg, key] of pairs) {
      const named = { iss: 'many-keys', sub: 'many-keys' }
      expect([alg, (await answer(named, { alg, kid: `${alg}-key` }, key)).status]).toEqual([alg, 200])
      expect([alg, (await answer(named, { alg, kid: undefined }, key)).status]).toEqual([alg, 200])
    }
  })

  it.each(['/introspect', '/revoke', '/receipts'])('is spent at %s, too', async (path) => {
    const form = assertionForm(await makeAssertion(site))
    await site.post(path, { token: 'any', receipt: 'any', ...form })
    const again = await site.post(path, { token: 'any', receipt: 'any', ...form })
    expect([again.status, again.reason]).toEqual([401, 'client.assertion_replayed'])
  })

  it('is remembered for longer than it is good', async () => {
    const own = await install()
    const form = assertionForm(await makeAssertion(own))
    expect((await own.post('/token', { ...grant, ...form })).status).toBe(200)
    for (const seconds of [59, 1, 8, 1, 1]) {
      own.clock.pass(seconds)
      await own.store.purgeExpired(100)
      expect((await own.post('/token', { ...grant, ...form })).status).toBe(401)
    }
    await own.end()
  })
})

describe.each(databaseKinds)('an assertion on %s', (database) => {
  let own: Installation
  beforeAll(async () => {
    own = await install({ database })
  })
  afterAll(() => own.end())

  it('is good once, also for twenty that bring it at one time [RFC 7523 §3]', async () => {
    const form = { ...grant, ...assertionForm(await makeAssertion(own)) }
    const replies = await Promise.all(Array.from({ length: 20 }, () => own.post('/token', form)))
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(replies.filter(({ reason }) => reason === 'client.assertion_replayed')).toHaveLength(19)
  })

  it('does not use up the id for other clients', async () => {
    const mine = assertionForm(await makeAssertion(own, { jti: 'shared' }))
    const theirs = assertionForm(await makeAssertion(own, { jti: 'shared', iss: 'other-signer', sub: 'other-signer' }))
    expect((await own.post('/token', { ...grant, ...mine })).status).toBe(200)
    expect((await own.post('/token', { ...grant, ...theirs })).status).toBe(200)
  })

  it('that names an impossible client is refused like any other, not a fault [RFC 6749 §10.14(a)]', async () => {
    for (const name of ['nul \u0000', '\ud800', '__proto__', "'; DROP TABLE clients; --", 'x'.repeat(5_000)]) {
      const form = assertionForm(await makeAssertion(own, { iss: name, sub: name }))
      expect([name, (await own.post('/token', { ...grant, ...form })).status]).toEqual([name, 401])
    }
  })
})
