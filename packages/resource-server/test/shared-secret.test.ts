import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { formatOpaqueToken, Secret } from '@arctos/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, type Overrides, startIssuer } from './issuer.ts'

const bytes = randomBytes(32)
const kid = 'secret-1'
const sharedSecret = { kid, secret: formatOpaqueToken('sharedSecret', bytes) }

let issuer: Issuer
beforeEach(async () => {
  issuer = await startIssuer()
})
afterEach(() => issuer.close())

/** A token with an HMAC in the place of the signature, with any secret. */
function macToken(secret: string | Uint8Array | KeyObject, header: Overrides = {}, claims: Overrides = {}): string {
  const parts = [{ alg: 'HS256', kid, typ: 'at+jwt', ...header }, issuer.claims(claims)]
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const sharing = (): Guard => guardOf(issuer, { sharedSecret })

describe('a resource that shares a secret with its issuer', () => {
  it('takes tokens under it, without asking anybody', async () => {
    const guard = sharing()
    expect(await verdict(guard, macToken(bytes))).toBe('good')
    expect(issuer.hits.size).toBe(0)
  })

  it('takes those under published keys as before', async () => {
    expect(await verdict(sharing(), issuer.token())).toBe('good')
  })

  it('checks the claims as ever [RFC 9068 §4(c), RFC 9068 §4(g)]', async () => {
    const guard = sharing()
    expect(await verdict(guard, macToken(bytes, {}, { aud: 'https://other.example' }))).toBe('token.audience')
    expect(await verdict(guard, macToken(bytes, {}, { exp: 1 }))).toBe('token.expired')
    expect(await verdict(guard, macToken(bytes, { typ: 'JWT' }))).toBe('token.type')
  })

  it('refuses the secret of another resource, and any other [RFC 9068 §4(f)]', async () => {
    const guard = sharing()
    for (const secret of [randomBytes(32), '', 'undefined', kid, sharedSecret.secret.reveal()]) {
      expect(await verdict(guard, macToken(secret))).toBe('token.signature')
    }
  })

  it('refuses the secret for an issuer that does not share it', async () => {
    const other = await startIssuer()
    const authorizationServers = [issuer.issuer, other.issuer]
    const guard = guardOf(issuer, { authorizationServers, sharedSecret: { ...sharedSecret, issuer: issuer.issuer } })
    expect(await verdict(guard, macToken(bytes))).toBe('good')
    expect(await verdict(guard, macToken(bytes, {}, { iss: other.issuer }))).toBe('token.key_unknown')
    expect(other.hits.size).toBe(0)
    await other.close()
  })

  it('asks nobody for a secret of another name: none is in a key set', async () => {
    issuer.published.push({ kty: 'oct', kid: 'other', alg: 'HS256', k: bytes.toString('base64url') })
    const guard = sharing()
    expect(await verdict(guard, macToken(bytes, { kid: 'other' }))).toBe('token.key_unknown')
    expect(issuer.hits.size).toBe(0)
    await guard.reload()
    expect(await verdict(guard, macToken(bytes, { kid: 'other' }))).toBe('token.key_unknown')
  })

  it.each(['HS384', 'HS512', 'hs256', 'none'])('does not take %s', async (alg) => {
    expect(await verdict(sharing(), macToken(bytes, { alg }))).toBe('token.algorithm')
  })

  it('may share several, so that one can follow another', async () => {
    const next = randomBytes(48)
    const secrets = [sharedSecret, { kid: 'secret-2', secret: next.toString('base64url') }]
    const guard = guardOf(issuer, { sharedSecret: secrets })
    expect(await verdict(guard, macToken(bytes))).toBe('good')
    expect(await verdict(guard, macToken(next, { kid: 'secret-2' }))).toBe('good')
    expect(await verdict(guard, macToken(next))).toBe('token.signature')
  })
})

describe('algorithms are not confused', () => {
  const spellings = (key: KeyObject, jwk: Record<string, unknown>): readonly (string | Buffer)[] => {
    const pem = key.export({ type: 'spki', format: 'pem' }).toString()
    const der = key.export({ type: 'spki', format: 'der' })
    const numbers = Buffer.from(String(jwk['x'] ?? jwk['n']), 'base64url')
    return [pem, pem.trimEnd(), ` ${pem}`, der, der.toString('base64'), JSON.stringify(jwk), numbers, der.subarray(-65)]
  }

  it.each(['ES256', 'RS256', 'EdDSA'] as const)(
    'with a public key of %s as secret, whether or not a secret is shared [RFC 8725 §2.1, RFC 8725 §3.1(b)]',
    async (algorithm) => {
      const key = makeKey(algorithm, kid)
      const other = makeKey(algorithm)
      issuer.published = [key.jwk, other.jwk]
      const expected = [
        [guardOf(issuer), kid, 'token.algorithm'],
        [guardOf(issuer), other.kid, 'token.algorithm'],
        [sharing(), kid, 'token.signature'],
        // Held keys are found by their name, and are for their own algorithm only.
        [sharing(), other.kid, 'token.algorithm'],
      ] as const
      for (const [guard, name, reason] of expected) {
        await guard.reload()
        for (const { publicKey, jwk } of [key, other]) {
          for (const secret of spellings(publicKey, jwk)) {
            expect(await verdict(guard, macToken(secret, { kid: name }))).toBe(reason)
          }
        }
      }
    },
  )

  it('by a switch between ES256 and HS256 under one kid [RFC 8725 §3.1(c)(d)]', async () => {
    const key = makeKey('ES256', kid)
    issuer.published = [key.jwk]
    const guard = sharing()
    await guard.reload()
    expect(await verdict(guard, macToken(bytes))).toBe('good')
    // The kid means the secret, so a signature of the published key of that name counts for nothing.
    expect(await verdict(guard, issuer.token({}, {}, key))).toBe('token.algorithm')
    expect(await verdict(guard, issuer.token({}, { alg: 'HS256' }, key))).toBe('token.signature')
    expect(await verdict(guard, macToken(bytes, { alg: 'ES256' }))).toBe('token.algorithm')
  })

  it('where no secret is shared: HS256 is not on offer, and nothing is fetched [RFC 9068 §4(e)]', async () => {
    issuer.published.push({ kty: 'oct', kid, alg: 'HS256', k: bytes.toString('base64url') })
    expect(await verdict(guardOf(issuer), macToken(bytes))).toBe('token.algorithm')
    expect(issuer.hits.size).toBe(0)
  })
})

describe('a guard does not start', () => {
  const pem = makeKey('RS256').publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const rule = 'what the authorization server gave, or base64url of 32 random bytes or more'
  it.each([
    ['a secret of 31 bytes', { secret: randomBytes(31).toString('base64url') }, 'it has 31 bytes, not 32 or more'],
    ['a pass phrase', { secret: 'a long pass phrase that a person made up' }, 'it is not canonical base64url'],
    ['a public key', { secret: pem }, 'it is a key of another kind, as PEM or JWK'],
    ['an empty secret', { secret: '' }, 'it has 0 bytes, not 32 or more'],
    [
      'a client secret',
      { secret: formatOpaqueToken('clientSecret', bytes) },
      'it is another kind of secret, or was mistyped',
    ],
  ])('with %s [RFC 8725 §3.5]', (_name, changed, why) => {
    expect(() => guardOf(issuer, { sharedSecret: { ...sharedSecret, ...changed } })).toThrow(
      new TypeError(`resourceServer: sharedSecret.secret is "(hidden)"; allowed is ${rule}; ${why}`),
    )
  })

  it.each([
    ['sharedSecret.kid', { ...sharedSecret, kid: '' }],
    ['sharedSecret.kid', [sharedSecret, sharedSecret]],
    ['sharedSecret.secret', { kid, secret: 7 as never }],
    ['sharedSecret.issuer', { ...sharedSecret, issuer: 'https://other.example' }],
  ])('with a wrong %s, and names it', (key, wrong) => {
    const pattern = new RegExp(`^resourceServer: ${key.replace('.', '\\.')} is .+; allowed is `)
    expect(() => guardOf(issuer, { sharedSecret: wrong })).toThrow(pattern)
  })

  it('where a function says who is trusted and nobody who signs', () => {
    expect(() => guardOf(issuer, { authorizationServers: () => [], sharedSecret })).toThrow(/sharedSecret\.issuer is /)
  })
})

it('shows nothing of the secret, in no answer, explanation or complaint', async () => {
  const text = sharedSecret.secret.reveal()
  const lines: string[] = []
  const guard = guardOf(issuer, { sharedSecret, journal: (line) => void lines.push(line) })
  const seen: unknown[] = [await present(guard, macToken('other')), await guard.explain(macToken(bytes)), lines]
  try {
    guardOf(issuer, { sharedSecret: { kid, secret: new Secret(text.slice(0, -1)) } })
  } catch (error) {
    seen.push(String(error))
  }
  expect(seen).toHaveLength(4)
  for (const hidden of [text.slice(10, -1), bytes.toString('base64url'), bytes.toString('hex')]) {
    expect(JSON.stringify(seen)).not.toContain(hidden)
  }
})
