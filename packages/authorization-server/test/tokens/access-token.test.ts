import { JwtVerifier } from 'aws-jwt-verify'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authenticationContexts } from '../../src/authentication-contexts.ts'
import { introspect, ownToken, signIn, signInOpaque, tokensOf } from '../endpoints/flows.ts'
import { archive, type Installation, install, legacy, notes } from '../endpoints/installation.ts'

let site: Installation
beforeAll(async () => {
  site = await install()
})
afterAll(() => site.end())

async function keySet(from: Installation): Promise<JSONWebKeySet> {
  return (await from.send('/jwks')).body as unknown as JSONWebKeySet
}

describe('the claims of a JWT', () => {
  it('of a user are these and no others [RFC 9068 §2.2(a)(b)(c)(d)(e)(f)(g)(h), RFC 9470 §6.1]', async () => {
    const { access } = await signIn(site)
    const now = site.clock.seconds()
    expect(decodeJwt(access)).toEqual({
      iss: site.issuer,
      sub: site.userId,
      aud: notes,
      exp: now + 600,
      iat: now,
      jti: expect.stringMatching(/^[\w-]{16}$/),
      client_id: 'service',
      scope: 'read write',
      grant_id: expect.stringMatching(/^[\w-]{16}$/),
      auth_time: now,
      acr: authenticationContexts.password,
    })
  })

  it('of a client are these and no others [RFC 9068 §2.2(a)(b)(c)(d)(e)(f)(g)(i)]', async () => {
    const { access } = tokensOf(await ownToken(site))
    const now = site.clock.seconds()
    expect(decodeJwt(access)).toEqual({
      iss: site.issuer,
      sub: 'service',
      aud: notes,
      exp: now + 600,
      iat: now,
      jti: expect.stringMatching(/^[\w-]{16}$/),
      client_id: 'service',
      scope: 'read write',
    })
  })

  it('say for which resource it is, each by a name of its own [RFC 9068 §5]', async () => {
    const [one, other] = [await ownToken(site), await ownToken(site, { resource: legacy })]
    expect([one, other].map((reply) => decodeJwt(tokensOf(reply).access).aud)).toEqual([notes, legacy])
  })

  it('end with the lifetime that the resource has, and the answer says it [RFC 6750 §5.2(d), RFC 6749 §5.1(g)]', async () => {
    const settings = {
      identifier: 'https://short.example',
      scopes: { brief: 'Be brief' },
      tokenFormat: 'jwt',
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: 10,
    } as const
    await site.store.createResource({ settings, actor: 'test' })
    const { access, expiresIn } = tokensOf(await ownToken(site, { resource: settings.identifier }))
    const { exp = 0, iat = 0 } = decodeJwt(access)
    expect([exp - iat, expiresIn]).toEqual([10, 10])
  })

  it('are times in whole seconds', async () => {
    const { exp, iat } = decodeJwt((await signIn(site)).access)
    for (const time of [exp, iat]) expect(Number.isInteger(time)).toBe(true)
  })
})

describe('a foreign verifier', () => {
  it('jose takes the token, by its type and all of its claims [RFC 9068 §2.1(a)(b)]', async () => {
    const { access } = await signIn(site)
    const { payload } = await jwtVerify(access, createLocalJWKSet(await keySet(site)), {
      issuer: site.issuer,
      audience: notes,
      typ: 'at+jwt',
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      maxTokenAge: 600,
    })
    expect(payload.sub).toBe(site.userId)
  })

  it('jose refuses the token for another resource, and one that is altered', async () => {
    const { access } = await signIn(site)
    const verify = (token: string, audience: string) =>
      jwtVerify(token, createLocalJWKSet({ keys }), { issuer: site.issuer, audience })
    const { keys } = await keySet(site)
    await expect(verify(access, legacy)).rejects.toThrow('aud')
    await expect(verify(`${access.slice(0, -4)}AAAA`, notes)).rejects.toThrow('signature')
  })

  it.each(['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const)(
    'aws-jwt-verify takes it as far as it knows %s',
    async (signingAlgorithm) => {
      const other = await install({ signingAlgorithm })
      const { access } = await signIn(other)
      const verifier = JwtVerifier.create({ issuer: other.issuer, audience: notes, jwksUri: `${other.issuer}/jwks` })
      verifier.cacheJwks((await keySet(other)) as never)
      const offered = ['ES256', 'RS256', 'EdDSA'].includes(signingAlgorithm)
      if (offered) expect(verifier.verifySync(access)['client_id']).toBe('service')
      else expect(() => verifier.verifySync(access)).toThrow()
      await other.end()
    },
  )

  it('that wants typ JWT gets it where the resource says so, with the same claims', async () => {
    const { access } = tokensOf(await ownToken(site, { resource: legacy }))
    const { protectedHeader } = await jwtVerify(access, createLocalJWKSet(await keySet(site)), {
      issuer: site.issuer,
      audience: legacy,
      typ: 'JWT',
    })
    expect(protectedHeader.typ).toBe('JWT')
    const names = Object.keys(decodeJwt(access))
    for (const claim of ['nonce', 'at_hash', 'c_hash']) expect(names).not.toContain(claim)
    for (const claim of ['client_id', 'jti']) expect(names).toContain(claim)
  })
})

describe('chance', () => {
  const bits = 256

  it('makes opaque tokens that nobody guesses [RFC 6749 §10.3(c), RFC 6749 §10.10(a)(b)(d)]', async () => {
    const replies = await Promise.all(Array.from({ length: 500 }, () => ownToken(site, { resource: archive })))
    const tokens = replies.map((reply) => tokensOf(reply).access)
    expect(tokens[0]).toMatch(/^arctos_at_[0-9A-Za-z]{60}$/)
    // Behind the word that says when it expires, eight words of six characters hold 32 bytes; the last six are a checksum.
    const words = tokens.flatMap((token) => token.slice(16, 64).match(/.{6}/g) ?? [])
    expect(words).toHaveLength(tokens.length * (bits / 32))
    // Of 4,000 random words of 32 bits two are equal once in 500 runs; three pairs never.
    expect(words.length - new Set(words).size).toBeLessThan(3)
    const leading = words.map((word) => word.charAt(0))
    expect(new Set(leading).size).toBeGreaterThanOrEqual(4)
    for (let place = 1; place < 6; place++) expect(new Set(words.map((word) => word.charAt(place))).size).toBe(62)
  })

  it('makes refresh tokens that nobody guesses [RFC 6749 §10.4(e), RFC 6749 §10.10(b)]', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => signIn(site)))
    expect(tokens[0]?.refresh).toMatch(/^arctos_rt_[0-9A-Za-z]{108}$/)
    // Key, grant and generation are 20 bytes, the tag is 16; between are 32 bytes of secret, two sessions share none of it.
    const secrets = tokens.flatMap(({ refresh }) => refresh.slice(10 + 30, 10 + 78).match(/.{6}/g) ?? [])
    expect(secrets).toHaveLength(tokens.length * (bits / 32))
    expect(new Set(secrets).size).toBe(secrets.length)
  })

  it('makes ids that never meet', async () => {
    const replies = await Promise.all(Array.from({ length: 500 }, () => ownToken(site)))
    expect(new Set(replies.map((reply) => decodeJwt(tokensOf(reply).access).jti)).size).toBe(500)
  })
})

describe('an opaque token', () => {
  it("is a reference: what it means is the resource server's alone to ask [RFC 7662 §5]", async () => {
    const { access } = await signInOpaque(site)
    for (const fact of [site.userId, 'service', 'archive', Buffer.from(site.userId).toString('base64')])
      expect(access).not.toContain(fact)
    expect((await introspect(site, access, 'archive-api')).body['sub']).toBe(site.userId)
  })
})
