import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, startIssuer } from './issuer.ts'

let issuer: Issuer

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const hits = (guard: ReturnType<typeof guardOf>): number =>
  Number(/verified_token\w*\{[^}]*cache="hit"[^}]*\} (\d+)/.exec(guard.metrics())?.[1])

describe('remembered tokens', () => {
  it('are looked up, not verified again', async () => {
    const guard = guardOf(issuer)
    const token = issuer.token()
    const [first, second] = [await present(guard, token), await present(guard, token)]
    expect(hits(guard)).toBe(1)
    expect(first.ok && second.ok && first.access === second.access).toBe(true)
  })

  it('are none where the size is 0', async () => {
    const guard = guardOf(issuer, { verifiedTokens: { size: 0 } })
    const token = issuer.token()
    const [first, second] = [await present(guard, token), await present(guard, token)]
    expect(hits(guard)).toBe(0)
    expect(first.ok && second.ok && first.access !== second.access).toBe(true)
  })

  it('are frozen, for requests share them', async () => {
    const decision = await present(guardOf(issuer), issuer.token({ nested: { list: [{}] } }))
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
    expect(decision.ok && isFrozen(decision.access)).toBe(true)
  })

  it('expire in their time, the tolerance included [RFC 9068 §4(g)]', async () => {
    let now = Date.now()
    const guard = guardOf(issuer, { now: () => now, clockToleranceSeconds: 10, staleIfErrorSeconds: 3_600 })
    const end = Math.floor(now / 1_000) + 20
    const token = issuer.token({ exp: end })
    expect(await verdict(guard, token)).toBe('good')
    now = (end + 10) * 1_000 - 1
    expect(await verdict(guard, token)).toBe('good')
    expect(hits(guard)).toBe(1)
    now = (end + 10) * 1_000
    expect(await verdict(guard, token)).toBe('token.expired')
  })

  it('end with their key', async () => {
    const other = await startIssuer()
    const guard = guardOf(other)
    const token = other.token()
    expect(await verdict(guard, token)).toBe('good')
    other.published = [makeKey().jwk]
    await guard.reload()
    expect(await verdict(guard, token)).toBe('token.key_unknown')
    await other.close()
  })

  it('end with their key also where another has its kid', async () => {
    const other = await startIssuer()
    const guard = guardOf(other)
    const token = other.token()
    expect(await verdict(guard, token)).toBe('good')
    other.published = [makeKey('ES256', other.key.kid).jwk]
    await guard.reload()
    expect(await verdict(guard, token)).toBe('token.signature')
    await other.close()
  })

  it('outlive a key set that is loaded again with the same keys', async () => {
    const guard = guardOf(issuer)
    const token = issuer.token()
    await present(guard, token)
    await guard.reload()
    expect(await verdict(guard, token)).toBe('good')
    expect(hits(guard)).toBe(1)
  })

  it('end when their key is too old to be used, and its issuer does not answer', async () => {
    const other = await startIssuer()
    let now = Date.now()
    const guard = guardOf(other, { now: () => now, staleIfErrorSeconds: 60 })
    const token = other.token({ exp: Math.floor(now / 1_000) + 3_600 })
    expect(await verdict(guard, token)).toBe('good')
    await other.close()
    now += 61_000
    expect(await verdict(guard, token)).toBe('keys.unavailable')
  })

  it('are good for one audience alone [RFC 9068 §4(c)]', async () => {
    const token = issuer.token()
    expect(await verdict(guardOf(issuer), token)).toBe('good')
    expect(await verdict(guardOf(issuer, { resource: 'https://other.example.com' }), token)).toBe('token.audience')
  })

  it('are held to the policy of the route every time [RFC 6750 §3.1(c)]', async () => {
    const guard = guardOf(issuer)
    const token = issuer.token()
    expect(await verdict(guard, token)).toBe('good')
    const decision = await present(guard, token, 'write')
    expect(decision.ok ? 'good' : decision.reason).toBe('token.scope')
  })

  it('are good only where the request trusts their issuer', async () => {
    const guard = guardOf(issuer, {
      authorizationServers: ({ url }) => (url.startsWith('/ours') ? [issuer.issuer] : ['https://other.example.com']),
    })
    const headers = { authorization: `Bearer ${issuer.token()}` }
    const first = await guard.authorize({ method: 'GET', url: '/ours', headers })
    const second = await guard.authorize({ method: 'GET', url: '/theirs', headers })
    expect([first.ok, second.ok ? 'good' : second.reason]).toEqual([true, 'token.issuer'])
  })

  it('share lists of scopes, but never two that only look alike', async () => {
    const guard = guardOf(issuer)
    const scopesOf = async (scp: readonly string[]) => {
      const decision = await guard.authorize({
        method: 'GET',
        url: '/',
        headers: { authorization: `Bearer ${issuer.token({ scope: undefined, scp })}` },
      })
      return decision.ok ? decision.access.scopes : undefined
    }
    const [first, second, third] = [
      await scopesOf(['read', 'write']),
      await scopesOf(['read write']),
      await scopesOf(['read', 'write']),
    ]
    expect([first, second]).toEqual([['read', 'write'], ['read write']])
    expect(third).toBe(first)
  })

  it('do not shorten an explanation', async () => {
    const now = Date.now()
    const guard = guardOf(issuer, { now: () => now })
    const token = issuer.token()
    const before = await guard.explain(token, { scope: 'read' })
    await present(guard, token)
    expect(await guard.explain(token, { scope: 'read' })).toEqual(before)
    expect(before.map((step) => step.check)).toContain('signature')
  })

  it('remember no refusal', async () => {
    const other = await startIssuer()
    const late = makeKey()
    const guard = guardOf(other)
    const token = other.token({}, {}, late)
    expect(await verdict(guard, token)).toBe('token.key_unknown')
    other.published = [other.key.jwk, late.jwk]
    await guard.reload()
    expect(await verdict(guard, token)).toBe('good')
    await other.close()
  })
})
