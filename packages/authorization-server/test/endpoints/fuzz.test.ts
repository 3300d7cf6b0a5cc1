import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { assertionForm, makeAssertion, mintCode, ownToken, signIn, signInOpaque, tokensOf } from './flows.ts'
import { archive, askThrough, basic, type Installation, install, notes, secret } from './installation.ts'

const names = [
  'grant_type',
  'code',
  'code_verifier',
  'redirect_uri',
  'refresh_token',
  'scope',
  'resource',
  'audience',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'token',
  'token_type_hint',
  'receipt',
  '__proto__',
  'constructor',
  'x[]',
]
const grantTypes = ['authorization_code', 'client_credentials', 'refresh_token', 'password']
const plain = ['', ' ', '0', '-1', '1e999', 'null', 'true', 'NaN', '__proto__', 'read', 'read write', 'offline_access']
const hard = ['\u0000', '\ud800', '\u202e', 'ﬀ', '%', '%25', '+', '&', '=', '"', '\\', "';--", '$(x)', '{{x}}', '../..']

describe.each(databaseKinds)('whatever is sent, on %s,', (database) => {
  let site: Installation
  let known: readonly string[]
  let requests = 0
  let send: Installation['send']
  beforeAll(async () => {
    site = await install({ database })
    send = askThrough(site.server, () => `192.0.2.${requests++ % 250}`)
    const [jwt, opaque, code] = [await signIn(site), await signInOpaque(site), await mintCode(site)]
    const receipt = (await site.post('/token', '')).headers.get('arctos-receipt') ?? ''
    known = [
      ...[jwt, opaque].flatMap(({ access, refresh }) => [access, refresh]),
      ...[code.code, code.verifier, receipt, secret, notes, archive, 'service', 'app', 'signer', 'notes-api'],
      ...Object.values(assertionForm(await makeAssertion(site))).map(String),
      ...grantTypes,
    ]
  })
  afterAll(() => site.end())

  /** A good value, a bad one, or a good one with a piece that is bad. */
  const value = (): fc.Arbitrary<string> => {
    const words = fc.constantFrom(...known, ...plain, ...hard)
    const mixed = fc
      .tuple(words, fc.nat(200), fc.constantFrom(...hard, ...plain))
      .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at + 1))
    return fc.oneof(words, words, mixed, fc.string({ unit: 'binary', maxLength: 300 }))
  }
  const encoded = (): fc.Arbitrary<string> =>
    fc.tuple(value(), fc.nat(9)).map(([text, how]) => (how === 0 ? text : encodeURIComponent(text.toWellFormed())))
  const field = (): fc.Arbitrary<string> =>
    fc.tuple(fc.constantFrom(...names), encoded()).map(([name, text]) => `${name}=${text}`)
  const body = (): fc.Arbitrary<string> => fc.array(field(), { maxLength: 8 }).map((fields) => fields.join('&'))
  const authorization = (): fc.Arbitrary<string | undefined> =>
    fc.oneof(
      fc.constantFrom(undefined, ...['service', 'signer', 'disabled', 'nobody'].map((id) => basic(id).authorization)),
      fc.string({ unit: 'grapheme-ascii', maxLength: 60 }),
      fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `Basic ${Buffer.from(text).toString('base64')}`),
    )
  const contentType = (): fc.Arbitrary<string> =>
    fc.constantFrom(...Array<string>(9).fill('application/x-www-form-urlencoded'), 'application/json', '')

  it.each(['/token', '/introspect', '/revoke', '/receipts', '/device_authorization'])(
    '%s answers, and never with a fault of ours [RFC 6749 §10.14(a)]',
    async (path) => {
      const request = fc.record({ body: body(), authorization: authorization(), type: contentType() })
      const property = fc.asyncProperty(request, async ({ body: text, authorization: credentials, type }) => {
        const headers = {
          'content-type': type,
          ...(credentials === undefined ? {} : { authorization: credentials.trim() }),
        }
        const reply = await send(path, { method: 'POST', headers, body: text })
        expect([200, 400, 401, 404, 413, 429]).toContain(reply.status)
        expect(reply.headers.get('cache-control')).toBe('no-store')
        if (reply.status !== 200) expect(reply.reason).toBeDefined()
      })
      // The seed is fixed, so that the same shapes are tried for everybody; the tokens in them are new each time.
      await fc.assert(property, { seed: 20_261_121, numRuns: database === 'sqlite' ? 2_000 : 300 })
      expect(site.journal.filter(({ fault }) => fault !== undefined)).toEqual([])
      // It still works for those who ask for something.
      expect(tokensOf(await ownToken(site)).access).toBeDefined()
    },
  )
})
