import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IntrospectionOptions } from '../src/index.ts'
import { verdict } from './guard.ts'
import { type IntrospectionSite, startIntrospection } from './introspection-site.ts'

const token = 'arctos_at_opaque'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
let site: IntrospectionSite
beforeEach(async () => {
  site = await startIntrospection()
})
afterEach(() => site.end())

function makePair(kind: 'ES256' | 'RS256' | 'EdDSA', kid = 'api-1') {
  const { privateKey, publicKey } =
    kind === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : kind === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ed25519')
  const more = { kid, alg: kind }
  return {
    clientKey: { ...privateKey.export({ format: 'jwk' }), ...more },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...more },
  }
}

/** The form of the last question. */
function lastForm(): Record<string, string> {
  return Object.fromEntries(site.asked.at(-1)?.form ?? [])
}

describe('a resource server that holds a key', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)(
    'proves itself by an assertion for the issuer alone, with %s [RFC 7523 §2.2, RFC 7523 §3]',
    async (kind) => {
      const { clientKey, publicJwk } = makePair(kind)
      expect(await verdict(site.guard({ clientKey }), token)).toBe('good')
      const { client_assertion: assertion = '', ...form } = lastForm()
      expect(form).toEqual({
        token,
        token_type_hint: 'access_token',
        client_id: 'notes-api',
        client_assertion_type: assertionType,
      })
      expect(site.asked.at(-1)?.headers.authorization).toBeUndefined()
      const { payload, protectedHeader } = await jwtVerify(assertion, createLocalJWKSet({ keys: [publicJwk] }))
      expect(protectedHeader).toEqual({ alg: kind, kid: 'api-1', typ: 'client-authentication+jwt' })
      const { iat = 0 } = payload
      expect(payload).toEqual({
        iss: 'notes-api',
        sub: 'notes-api',
        aud: site.issuer.issuer,
        iat: site.seconds(),
        exp: iat + 60,
        jti: expect.stringMatching(/^[\w-]{22}$/),
      })
    },
  )

  it('makes a new assertion for each question [RFC 7523 §3]', async () => {
    const guard = site.guard({ clientKey: makePair('ES256').clientKey })
    await verdict(guard, token)
    const first = lastForm()['client_assertion']
    await verdict(guard, token)
    expect(lastForm()['client_assertion']).not.toBe(first)
  })
})

describe('a guard does not start', () => {
  const pair = makePair('ES256')
  const { d: _, ...withoutPrivate } = pair.clientKey
  const wrong: readonly (readonly [string, string, Partial<Record<keyof IntrospectionOptions, unknown>>])[] = [
    ['without a credential', 'clientSecret', { clientSecret: undefined }],
    ['with two', 'clientSecret', { clientSecret: 'marker', clientKey: pair.clientKey }],
    ['with a key that has no name', 'clientKey', { clientKey: { ...pair.clientKey, kid: undefined } }],
    ['with a key that has an empty name', 'clientKey', { clientKey: { ...pair.clientKey, kid: '' } }],
    ['with a key that has no algorithm', 'clientKey', { clientKey: { ...pair.clientKey, alg: undefined } }],
    ['with a key of another algorithm', 'clientKey', { clientKey: { ...pair.clientKey, alg: 'RS256' } }],
    ['with a secret for a key', 'clientKey', { clientKey: { kty: 'oct', k: 'bWFya2Vy', kid: 'a', alg: 'HS256' } }],
    ['with a public key', 'clientKey', { clientKey: withoutPrivate }],
    ['with a text for a key', 'clientKey', { clientKey: 'marker' }],
    ['with a long memory', 'maxAgeSeconds', { clientSecret: 's', maxAgeSeconds: 61 }],
    ['with a long memory for bad tokens', 'inactiveSeconds', { clientSecret: 's', inactiveSeconds: 61 }],
    ['with a negative one', 'inactiveSeconds', { clientSecret: 's', inactiveSeconds: -1 }],
    ['with an endless outage', 'staleSeconds', { clientSecret: 's', staleSeconds: 3_601 }],
    ['with time in a text', 'staleSeconds', { clientSecret: 's', staleSeconds: '60' }],
    ['with half a signature', 'signed', { clientSecret: 's', signed: 'yes' }],
  ]

  it.each(wrong)('%s, and names the option', (_, name, options) => {
    const start = () =>
      site.guard({ ...options, ...('clientKey' in options ? {} : { clientKey: undefined }) } as object)
    expect(start).toThrow(`resourceServer: introspection.${name} is `)
    expect(start).not.toThrow(/marker|bWFya2Vy/)
  })

  it('but does with each of them at its limit', () => {
    const limits = { maxAgeSeconds: 60, inactiveSeconds: 60, staleSeconds: 3_600, signed: true }
    expect(() => site.guard(limits)).not.toThrow()
    expect(() => site.guard({ maxAgeSeconds: 0, inactiveSeconds: 0, staleSeconds: 0, signed: false })).not.toThrow()
  })
})

describe('explain', () => {
  const stepsOf = async (guard: ReturnType<IntrospectionSite['guard']>, text = token) =>
    (await guard.explain(text, { scope: 'read' })).map(({ check, passed, expected, received }) => [
      check,
      passed,
      expected,
      received,
    ])

  it('lists the steps of introspection, and where the answer came from', async () => {
    const guard = site.guard({ maxAgeSeconds: 10 })
    const steps = await stepsOf(guard)
    expect(steps.every(([, passed]) => passed)).toBe(true)
    expect(steps.slice(0, 8).map(([check]) => check)).toEqual([
      'trusted issuer',
      'length',
      'introspection',
      'active',
      'token type',
      'token use',
      'issuer',
      'audience',
    ])
    const from = `an answer of ${site.issuer.issuer}`
    expect(steps[2]).toEqual(['introspection', true, from, 'asked now'])
    site.pass(3)
    expect((await stepsOf(guard))[2]).toEqual(['introspection', true, from, 'remembered for 3 s'])
  })

  it('says why there is no answer', async () => {
    const guard = site.guard({ endpoint: `${site.issuer.issuer}/nowhere` })
    expect((await stepsOf(guard)).at(-1)).toEqual([
      'introspection',
      false,
      `an answer of ${site.issuer.issuer}`,
      'HTTP 404',
    ])
  })

  it('says what was wrong with a signed answer', async () => {
    const guard = site.guard({ signed: true })
    expect((await stepsOf(guard)).at(-1)).toEqual([
      'introspection',
      false,
      `an answer of ${site.issuer.issuer}`,
      'an answer that is not signed',
    ])
  })

  it('says what was expected of a token, and what the issuer says of it', async () => {
    site.tell = () => ({ active: true, ...site.issuer.claims({ aud: 'https://other.example', token_type: 'DPoP' }) })
    const failed = (await stepsOf(site.guard())).filter(([, passed]) => !passed)
    site.tell = () => ({ active: false })
    expect(failed).toEqual([
      ['token type', false, 'Bearer', 'DPoP'],
      ['audience', false, 'https://api.example.com', 'https://other.example'],
    ])
    expect((await stepsOf(site.guard())).at(-1)).toEqual(['active', false, true, false])
  })
})
