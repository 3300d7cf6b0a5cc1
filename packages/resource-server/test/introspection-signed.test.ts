import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present, verdict, verdicts } from './guard.ts'
import { type IntrospectionSite, startIntrospection } from './introspection-site.ts'
import { type IssuerKey, makeKey, type Overrides, resource, sendStatus, signAnything } from './issuer.ts'

const token = 'arctos_at_opaque'
const mediaType = 'application/token-introspection+jwt'
let site: IntrospectionSite
let guard: Guard
/** What answers have on top, besides what is right. */
let changes: Overrides
let header: Overrides
let key: IssuerKey

beforeEach(async () => {
  site = await startIntrospection()
  changes = {}
  header = {}
  key = site.issuer.key
  site.send = (response, told, { form }) => sendText(response, signed(told, form.get('token') ?? ''))
  guard = site.guard({ signed: true })
})
afterEach(() => site.end())

function signed(told: unknown, about: string): string {
  const ath = createHash('sha256').update(about).digest('base64url')
  const claims = { iss: site.issuer.issuer, aud: 'notes-api', iat: site.seconds(), ath, token_introspection: told }
  const fullHeader = { alg: key.algorithm, kid: key.kid, typ: 'token-introspection+jwt', ...header }
  return signAnything(fullHeader, JSON.stringify({ ...claims, ...changes }), key)
}

function sendText(response: Parameters<IntrospectionSite['send']>[0], text: string, type = mediaType): void {
  response.writeHead(200, { 'content-type': type }).end(text)
}

describe('a guard that wants signed answers', () => {
  it('asks for them, and takes them [RFC 9701 §4(a), RFC 9701 §5(a)]', async () => {
    expect(await verdicts(guard, [token, token])).toEqual({ good: 2 })
    expect(site.asked.map(({ headers }) => headers.accept)).toEqual([mediaType])
    site.tell = () => ({ active: false })
    expect(await verdict(guard, 'dead')).toBe('token.inactive')
  })

  it('takes those of a server that names the resource, and sends no hash [RFC 9701 §5(c)]', async () => {
    changes = { aud: ['https://other.example', resource], ath: undefined }
    expect(await verdict(guard, token)).toBe('good')
  })

  it('takes the type with parameters and in capitals', async () => {
    site.send = (response, told) => sendText(response, signed(told, token), `${mediaType.toUpperCase()}; charset=utf-8`)
    expect(await verdict(guard, token)).toBe('good')
  })

  it('holds the token to its claims as ever', async () => {
    site.tell = () => ({ active: true, ...site.issuer.claims({ aud: 'https://other.example.com' }) })
    expect(await verdict(guard, token)).toBe('token.audience')
  })

  it('fetches the keys once, and the new one when they change', async () => {
    await verdicts(guard, ['a', 'b', 'c'])
    expect(site.issuer.hitsOf('/jwks')).toBe(1)
    key = makeKey('ES256', 'new')
    site.issuer.published = [key.jwk]
    expect(await verdict(guard, 'd')).toBe('good')
  })

  it('can be short of keys, and then cannot decide', async () => {
    site.issuer.answers.set('/jwks', sendStatus(500))
    expect(await present(guard, token)).toMatchObject({ ok: false, reason: 'keys.unavailable', status: 503 })
  })
})

describe('an answer that is not the one of the issuer to this question decides nothing', () => {
  const cases: readonly (readonly [string, () => void])[] = [
    [
      'plain JSON, which could be anybody’s',
      () => (site.send = (response, told) => void response.end(JSON.stringify(told))),
    ],
    [
      'plain JSON under the name of a JWT',
      () => {
        site.send = (response, told) => sendText(response, JSON.stringify(told))
      },
    ],
    [
      'a JWT under the name of JSON',
      () => {
        site.send = (response, told) => sendText(response, signed(told, token), 'application/json')
      },
    ],
    ['signed by a stranger under the name of the key', () => (key = makeKey('ES256', site.issuer.key.kid))],
    ['signed by a key that is not published', () => (key = makeKey())],
    ['signed by nobody', () => (header = { alg: 'none' })],
    ['without the name of a key', () => (header = { kid: undefined })],
    ['signed as an access token', () => (header = { typ: 'at+jwt' })],
    ['signed as a client assertion', () => (header = { typ: 'client-authentication+jwt' })],
    ['signed as any JWT', () => (header = { typ: 'JWT' })],
    ['without a type', () => (header = { typ: undefined })],
    ['for another resource server', () => (changes = { aud: 'archive-api' })],
    ['for nobody', () => (changes = { aud: undefined })],
    ['of another issuer', () => (changes = { iss: 'https://as.example.org' })],
    ['about another token', () => (changes = { ath: createHash('sha256').update('other').digest('base64url') })],
    ['from before the question', () => (changes = { iat: site.seconds() - 30 })],
    ['from the future', () => (changes = { iat: site.seconds() + 30 })],
    ['from no time', () => (changes = { iat: undefined })],
    ['that has ended', () => (changes = { exp: site.seconds() - 11 })],
    ['that says nothing', () => (changes = { token_introspection: undefined })],
    ['that says "active" in text', () => (site.tell = () => ({ active: 'true', ...site.issuer.claims() }))],
    ['that says it outside', () => (changes = { token_introspection: {}, active: true })],
  ]

  it.each(cases)('%s [RFC 9701 §5(a)(b)(c)(d)(e)(k)]', async (_, prepare) => {
    prepare()
    expect(await present(guard, token)).toMatchObject({
      ok: false,
      reason: 'introspection.unavailable',
      status: 503,
      challenge: undefined,
    })
  })

  it('the answer about one token, kept by a third and shown for another [RFC 9701 §5(d)]', async () => {
    const kept = signed({ active: true, ...site.issuer.claims() }, token)
    site.send = (response) => sendText(response, kept)
    expect(await verdicts(guard, [token, 'another'])).toEqual({ good: 1, 'introspection.unavailable': 1 })
    site.pass(30)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })

  it('an access token in its place', async () => {
    site.send = (response) => sendText(response, site.issuer.token({ token_introspection: { active: true } }))
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })
})

describe('a signed answer', () => {
  it.each(['at+jwt', 'JWT'] as const)(
    'is no access token, not even to a guard that takes typ %s [RFC 9701 §8.1(a)(b)]',
    async (typ) => {
      const lax = guardOf(site.issuer, { typ })
      changes = { aud: resource }
      const answer = signed({ active: true, ...site.issuer.claims() }, token)
      expect(await verdict(lax, answer)).toBe('token.type')
      // And if its kind were not told by its type: it lacks what an access token has.
      header = { typ }
      expect(await verdict(lax, signed({ active: true, ...site.issuer.claims() }, token))).toBe('token.claim_invalid')
    },
  )

  it('is not asked about either: two dots make it a JWT', async () => {
    await verdict(guard, signed({ active: true }, token))
    expect(site.asked).toEqual([])
  })
})
