import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present, verdict, verdicts } from './guard.ts'
import { hang, type Issuer, listen, makeKey, sendJson, sendStatus, startIssuer } from './issuer.ts'

let issuer: Issuer
let guard: Guard
/** What the guard's clock is ahead of its start: it stands still until the test moves it, or the guard itself waits. */
let aheadMs = 0

const clock = () => {
  const startedAt = Date.now()
  return {
    now: () => startedAt + aheadMs,
    wait: async (milliseconds: number) => {
      aheadMs += milliseconds
    },
  }
}

beforeEach(async () => {
  issuer = await startIssuer()
  aheadMs = 0
  guard = guardOf(issuer, { ...clock(), jwksUri: issuer.jwksUri })
})
afterEach(() => issuer.close())

/** Lives through every jump of the clock in these tests. */
const lasting = (key = issuer.key): string => issuer.token({ exp: Math.floor(Date.now() / 1_000) + 86_400 }, {}, key)
const unknown = (count: number): string[] => Array.from({ length: count }, () => issuer.token({}, {}, makeKey('EdDSA')))

describe('the seven key-cache tests', () => {
  it('A: 200 requests at once on a cold cache are one fetch', async () => {
    expect(await verdicts(guard, Array(200).fill(issuer.token()))).toEqual({ good: 200 })
    expect(issuer.hitsOf('/jwks')).toBe(1)
  })

  it('B: 100 requests on a warm cache are no fetch', async () => {
    await verdict(guard, issuer.token())
    for (let count = 0; count < 100; count++) expect(await verdict(guard, issuer.token())).toBe('good')
    expect(issuer.hitsOf('/jwks')).toBe(1)
  })

  it('C: 200 unknown keys at once are at most five fetches, and refused [RFC 9068 §4(f)]', async () => {
    await verdict(guard, issuer.token())
    expect(await verdicts(guard, unknown(200))).toEqual({ 'token.key_unknown': 200 })
    expect(issuer.hitsOf('/jwks') - 1).toBeLessThanOrEqual(5)
  })

  it('D: a key used right after it was published is accepted, without waiting', async () => {
    await verdict(guard, issuer.token())
    const next = makeKey()
    issuer.published.push(next.jwk)
    expect(await verdict(guard, issuer.token({}, {}, next))).toBe('good')
    expect(issuer.hitsOf('/jwks')).toBe(2)
    expect(aheadMs).toBe(0)
  })

  it('E: 20 requests are good with at most two fetches while the endpoint fails after max-age', async () => {
    await verdict(guard, lasting())
    issuer.answers.set('/jwks', sendStatus(500))
    aheadMs += 31_000
    for (let count = 0; count < 20; count++) {
      expect(await verdict(guard, lasting())).toBe('good')
      await issuer.roundTrip()
    }
    const fetches = issuer.hitsOf('/jwks') - 1
    expect([1, 2]).toContain(fetches)
  })

  it('F: nobody waits for an endpoint that hangs after max-age', async () => {
    await verdict(guard, lasting())
    const { listener, open, release } = hang()
    issuer.answers.set('/jwks', listener)
    aheadMs += 31_000
    for (let count = 0; count < 20; count++) expect(await verdict(guard, lasting())).toBe('good')
    await expect.poll(() => issuer.hitsOf('/jwks')).toBe(2)
    await issuer.roundTrip()
    expect(open()).toBe(1)
    release()
  })

  it('G: a new key is accepted within a second, in the middle of a flood of unknown ones', async () => {
    await verdict(guard, issuer.token())
    const tokens = unknown(20)
    let isOver = false
    const flood = async (): Promise<void> => {
      while (!isOver) await verdicts(guard, tokens)
    }
    const flooding = flood()
    await expect.poll(() => issuer.hitsOf('/jwks')).toBeGreaterThan(8)
    const next = makeKey()
    issuer.published.push(next.jwk)
    const publishedAt = aheadMs
    expect(await verdict(guard, issuer.token({}, {}, next))).toBe('good')
    expect(aheadMs - publishedAt).toBeLessThanOrEqual(1_000)
    isOver = true
    await flooding
  })

  it('lets unknown keys ask five times at once, and then twice a second', async () => {
    await verdict(guard, issuer.token())
    for (const token of unknown(5)) await verdict(guard, token)
    expect(aheadMs).toBe(0)
    for (const token of unknown(4)) await verdict(guard, token)
    expect(aheadMs).toBe(2_000)
    expect(issuer.hitsOf('/jwks')).toBe(1 + 9)
  })
})

describe('rotation under load', () => {
  it('refuses no good token: neither of the former key, nor of the next, used at once', async () => {
    const keys = [issuer.key]
    for (let turn = 0; turn < 8; turn++) {
      const next = makeKey('EdDSA')
      issuer.published.push(next.jwk)
      keys.push(next)
      const tokens = keys.slice(-3).flatMap((key) => Array<string>(20).fill(issuer.token({}, {}, key)))
      expect(await verdicts(guard, [...tokens, ...unknown(5)])).toEqual({
        good: tokens.length,
        'token.key_unknown': 5,
      })
      if (keys.length > 3) issuer.published.shift()
    }
  })
})

describe('withdrawn keys', () => {
  it('dies with the next successful load, which comes after 60 s whatever max-age says [RFC 9068 §4(f)]', async () => {
    issuer.answers.set('/jwks', (_request, response) =>
      sendJson(response, { keys: issuer.published }, { 'cache-control': 'max-age=86400' }),
    )
    await verdict(guard, lasting())
    issuer.published = [makeKey().jwk]
    aheadMs += 60_000
    expect(await verdict(guard, lasting())).toBe('token.key_unknown')
  })

  it('dies at once on reload()', async () => {
    await verdict(guard, issuer.token())
    issuer.published = []
    await guard.reload()
    expect(await verdict(guard, issuer.token())).toBe('token.key_unknown')
  })

  it('is not believed because of an outage that was long ago', async () => {
    await verdict(guard, lasting())
    issuer.answers.set('/jwks', sendStatus(500))
    aheadMs += 31_000
    await verdict(guard, lasting())
    await expect.poll(() => issuer.hitsOf('/jwks')).toBe(2)
    issuer.answers.delete('/jwks')
    issuer.published = []
    aheadMs += 30 * 60_000
    expect(await verdict(guard, lasting())).toBe('token.key_unknown')
  })
})

describe('outages', () => {
  it('uses keys for less than an hour while the endpoint fails [RFC 9110 §15.6.4]', async () => {
    await verdict(guard, lasting())
    issuer.answers.set('/jwks', sendStatus(500))
    aheadMs += 3_590_000
    expect(await verdict(guard, lasting())).toBe('good')
    aheadMs += 10_000
    expect(await verdict(guard, lasting())).toBe('keys.unavailable')
  })

  it.each([60, 7_200, 86_400])('uses keys for the %d s that the operator allows, and no longer', async (seconds) => {
    const allowing = guardOf(issuer, { ...clock(), jwksUri: issuer.jwksUri, staleIfErrorSeconds: seconds })
    const token = issuer.token({ exp: Math.floor(Date.now() / 1_000) + 2 * 86_400 })
    await verdict(allowing, token)
    issuer.answers.set('/jwks', sendStatus(500))
    aheadMs += seconds * 1_000 - 1
    // Whoever finds the keys old enough to ask anew, waits for the answer.
    expect(await verdict(allowing, token)).toBe('good')
    aheadMs += 1
    expect(await verdict(allowing, token)).toBe('keys.unavailable')
  })

  it('recovers within five seconds, however long the outage was', async () => {
    issuer.answers.set('/jwks', sendStatus(500))
    for (let count = 0; count < 10; count++) {
      await verdict(guard, lasting())
      aheadMs += 60_000
    }
    await verdict(guard, lasting())
    issuer.answers.delete('/jwks')
    aheadMs += 5_000
    expect(await verdict(guard, lasting())).toBe('good')
  })

  it('tries again after 1, 2, 4 and then 5 s', async () => {
    issuer.answers.set('/jwks', sendStatus(500))
    const triedAt: number[] = []
    for (let hits = 0; aheadMs < 18_000; aheadMs += 500) {
      await verdict(guard, lasting())
      if (issuer.hitsOf('/jwks') > hits) triedAt.push(aheadMs)
      hits = issuer.hitsOf('/jwks')
    }
    expect(triedAt).toEqual([0, 1_000, 3_000, 7_000, 12_000, 17_000])
  })

  it('cannot decide about an unknown key while the endpoint fails: the key may be new', async () => {
    await verdict(guard, issuer.token())
    issuer.answers.set('/jwks', sendStatus(500))
    expect(await verdicts(guard, unknown(3))).toEqual({ 'keys.unavailable': 3 })
  })

  it('backs off after a failure, and recovers', async () => {
    issuer.answers.set('/jwks', sendStatus(500))
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
    expect(issuer.hitsOf('/jwks')).toBe(1)
    issuer.answers.delete('/jwks')
    aheadMs += 1_000
    expect(await verdict(guard, issuer.token())).toBe('good')
  })

  it('gives up after three seconds on what hangs, drips, or heeds no signal', async () => {
    const { listener, release } = hang()
    issuer.answers.set('/jwks', listener)
    const dripping = await startIssuer()
    const drips = new Set<NodeJS.Timeout>()
    dripping.answers.set('/jwks', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      drips.add(setInterval(() => response.write(' '), 50))
    })
    const deaf = guardOf(issuer, { ...clock(), jwksUri: issuer.jwksUri, fetch: () => new Promise(() => {}) })
    const dripped = guardOf(dripping, { ...clock(), jwksUri: dripping.jwksUri })
    const startedAt = performance.now()
    const verdicts = [verdict(guard, issuer.token()), verdict(dripped, dripping.token()), verdict(deaf, issuer.token())]
    expect(await Promise.all(verdicts)).toEqual(Array(3).fill('keys.unavailable'))
    expect(performance.now() - startedAt).toBeLessThan(4_500)
    release()
    for (const drip of drips) clearInterval(drip)
    await dripping.close()
  })

  it('lets a thousand requests wait, and tells the next to come back', async () => {
    const { listener, open, release } = hang()
    issuer.answers.set('/jwks', listener)
    const waiting = verdicts(guard, Array(1_000).fill(issuer.token()))
    await expect.poll(open).toBe(1)
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
    await issuer.roundTrip()
    expect(open()).toBe(1)
    release()
    expect(await waiting).toEqual({ 'keys.unavailable': 1_000 })
  })

  it('rejects reload() when the endpoint fails', async () => {
    issuer.answers.set('/jwks', sendStatus(500))
    await expect(guard.reload()).rejects.toMatchObject({ reason: 'keys.unavailable' })
  })
})

describe('the key set', () => {
  const refused: Readonly<Record<string, () => unknown>> = {
    'is no JSON': () => 'keys',
    'has no keys': () => ({ key: [] }),
    'has a member twice': () => undefined,
    'has 101 keys': () => ({ keys: Array(101).fill(issuer.key.jwk) }),
    'is longer than 256 KiB': () => ({ keys: [issuer.key.jwk], padding: 'x'.repeat(256 * 1_024) }),
  }
  it.each(Object.keys(refused))('is refused when it %s', async (name) => {
    const body = refused[name]?.()
    issuer.answers.set('/jwks', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(body === undefined ? `{"keys":[],"keys":[${JSON.stringify(issuer.key.jwk)}]}` : JSON.stringify(body))
    })
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
  })

  it('may hold 100 keys and 256 KiB', async () => {
    const keys = Array.from({ length: 99 }, (_, index) => ({ kty: 'other', kid: `odd-${index}` }))
    const base = { keys: [...keys, issuer.key.jwk], padding: '' }
    const padding = 'x'.repeat(256 * 1_024 - JSON.stringify(base).length)
    issuer.answers.set('/jwks', (_request, response) => sendJson(response, { ...base, padding }))
    expect(await verdict(guard, issuer.token())).toBe('good')
  })

  it('is not followed to another address', async () => {
    const elsewhere = await listen((_request, response) => sendJson(response, { keys: issuer.published }))
    issuer.answers.set(
      '/jwks',
      (_request, response) => void response.writeHead(302, { location: elsewhere.origin }).end(),
    )
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
    const following = guardOf(issuer, {
      jwksUri: issuer.jwksUri,
      fetch: (url, init) => fetch(url, { ...init, redirect: 'follow' }),
    })
    expect(await verdict(following, issuer.token())).toBe('keys.unavailable')
    await elsewhere.close()
  })

  it('gives no key for a kid that stands for two', async () => {
    issuer.published = [issuer.key.jwk, makeKey('ES256', issuer.key.kid).jwk]
    expect(await verdict(guard, issuer.token())).toBe('token.key_unknown')
  })

  const unusable: Readonly<Record<string, () => Record<string, unknown>>> = {
    'with its private part': () => ({ ...issuer.key.privateKey.export({ format: 'jwk' }), kid: issuer.key.kid }),
    'for encryption': () => ({ ...issuer.key.jwk, use: 'enc' }),
    'for another algorithm': () => ({ ...issuer.key.jwk, alg: 'ES384' }),
    'that is symmetric': () => ({ kty: 'oct', k: 'c2VjcmV0', kid: issuer.key.kid }),
  }
  it.each(Object.keys(unusable))('gives no key %s [RFC 8725 §3.1(d)]', async (name) => {
    issuer.published = [unusable[name]?.() ?? {}]
    const [explained] = (await guard.explain(issuer.token())).filter((step) => step.check === 'key')
    expect(explained).toMatchObject({ passed: false, reason: 'token.key_unknown' })
    expect(String(explained?.received)).toContain(`${issuer.key.kid}: `)
  })

  it.each(['RS256', 'PS256', 'EdDSA'] as const)(
    'may hold keys of %s [RFC 9068 §2.1(e), RFC 8725 §3.2(b)]',
    async (algorithm) => {
      const key = makeKey(algorithm)
      issuer.published = [key.jwk]
      expect(await verdict(guard, issuer.token({}, {}, key))).toBe('good')
    },
  )

  it('is asked for by its ETag, and kept when it did not change', async () => {
    const conditions: unknown[] = []
    issuer.answers.set('/jwks', (request, response) => {
      const condition = request.headers['if-none-match']
      conditions.push(condition)
      if (condition === '"v1"') response.writeHead(304).end()
      else sendJson(response, { keys: issuer.published }, { etag: '"v1"' })
    })
    await verdict(guard, lasting())
    aheadMs += 61_000
    expect(await verdict(guard, lasting())).toBe('good')
    expect(conditions).toEqual([undefined, '"v1"'])
  })

  it('is refused when it is said to be unchanged though nobody asked that', async () => {
    issuer.answers.set('/jwks', sendStatus(304))
    expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
  })

  it('is asked for without the ETag of another address [RFC 9110 §8.8.3]', async () => {
    const discovering = guardOf(issuer, clock())
    const conditions: unknown[] = []
    for (const path of ['/jwks', '/moved']) {
      issuer.answers.set(path, (request, response) => {
        conditions.push(request.headers['if-none-match'])
        if (request.headers['if-none-match'] !== undefined) response.writeHead(304).end()
        else sendJson(response, { keys: issuer.published }, { etag: '"v1"' })
      })
    }
    await verdict(discovering, lasting())
    issuer.answers.set('/.well-known/oauth-authorization-server', (_request, response) =>
      sendJson(response, { issuer: issuer.issuer, jwks_uri: `${issuer.issuer}/moved` }),
    )
    aheadMs += 3_601_000
    issuer.published = []
    expect(await verdict(discovering, lasting())).toBe('token.key_unknown')
    expect(conditions).toEqual([undefined, undefined])
  })

  it.each([
    ['max-age=5', 5_000],
    ['max-age=20, must-revalidate', 20_000],
    ['public, max-age=86400', 30_000],
    ['no-store', 1_000],
    ['', 30_000],
    ['max-age=20', 5_000, '15'],
    ['max-age=20', 1_000, '99'],
  ])('is renewed behind the scenes after its time: %s [RFC 9111 §4.2]', async (control, freshMs, age = '0') => {
    issuer.answers.set('/jwks', (_request, response) =>
      sendJson(response, { keys: issuer.published }, { 'cache-control': control, age }),
    )
    await verdict(guard, lasting())
    aheadMs += freshMs - 900
    await verdict(guard, lasting())
    await issuer.roundTrip()
    expect(issuer.hitsOf('/jwks')).toBe(1)
    aheadMs += 1_000
    await verdict(guard, lasting())
    await expect.poll(() => issuer.hitsOf('/jwks')).toBe(2)
  })
})

describe('nothing is fetched', () => {
  it.each([
    ['for an issuer that is not trusted', { iss: 'https://as.example.org' }, {}, 'token.issuer'],
    ['for a token that says it has expired', { exp: 1 }, {}, 'token.expired'],
    ['for a token without expiry', { exp: undefined }, {}, 'token.claim_invalid'],
    ['for another kind of JWT', {}, { typ: 'dpop+jwt' }, 'token.type'],
    ['for an algorithm that is not on offer', {}, { alg: 'HS256' }, 'token.algorithm'],
    ['for a token without kid', {}, { kid: undefined }, 'token.key_unknown'],
  ])('%s', async (_name, claims, header, reason) => {
    expect(await verdict(guard, issuer.token(claims, header))).toBe(reason)
    expect(issuer.hitsOf('/jwks')).toBe(0)
  })

  it('from an address that a token names [RFC 8725 §3.10]', async () => {
    const trap = await startIssuer()
    const stranger = makeKey()
    const headers = [
      { jku: `${trap.issuer}/jwks`, kid: stranger.kid },
      { x5u: `${trap.issuer}/x5u`, kid: stranger.kid },
      { kid: `${trap.issuer}/jwks` },
      { jwk: stranger.jwk, kid: issuer.key.kid },
      { jwk: stranger.jwk, kid: stranger.kid },
    ]
    const tokens = headers.map((header) => issuer.token({}, header, stranger))
    const foreign = issuer.token({ iss: trap.issuer }, {}, trap.key)
    const results = await Promise.all([...tokens, foreign].map((token) => present(guard, token)))
    expect(results.map((result) => !result.ok && result.status)).toEqual(Array(6).fill(401))
    expect([...trap.hits.keys()]).toEqual([])
    await trap.close()
  })
})
