import type { RequestListener } from 'node:http'
import { deflateSync } from 'node:zlib'
import { type ClientSettings, createAuthorizationServer, openStore } from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import { type Guard, guardOf, verdict, verdicts } from './guard.ts'
import {
  type Issuer,
  listen,
  makeKey,
  type Overrides,
  resource,
  sendJson,
  sendStatus,
  signAnything,
  startIssuer,
} from './issuer.ts'

const path = '/status-lists/one'
const aggregation = '/status-lists'
const metadata = '/.well-known/oauth-authorization-server'
const ttl = 60

let issuer: Issuer
let uri: string
/** Epoch seconds; time that passes only when a test says so. */
let at: number
/** What is served under `path`. */
let answer: RequestListener
let seen: (string | undefined)[]

beforeAll(async () => {
  issuer = await startIssuer()
  uri = issuer.issuer + path
})
afterAll(() => issuer.close())
beforeEach(() => {
  at = Math.floor(Date.now() / 1_000)
  seen = []
  issuer.hits.clear()
  issuer.answers.set(path, (request, response) => {
    seen.push(request.headers['if-none-match'])
    answer(request, response)
  })
  name([uri])
  publish(listOf({ 1: 1, 2: 2, 3: 3 }))
})

const guards: Guard[] = []
afterEach(async () => {
  for (const guard of guards.splice(0)) await guard.close()
})

function guarded(experimental: Overrides = {}, options: Parameters<typeof guardOf>[1] = {}): Guard {
  const guard = guardOf(issuer, {
    now: () => at * 1_000,
    experimental: { tokenStatusList: 'draft-21', ...experimental },
    ...options,
  })
  guards.push(guard)
  return guard
}

/** Has the issuer name these lists. */
function name(lists: unknown): void {
  const endpoints = { jwks_uri: issuer.jwksUri, status_list_aggregation_endpoint: issuer.issuer + aggregation }
  issuer.answers.set(metadata, (_request, response) => sendJson(response, { issuer: issuer.issuer, ...endpoints }))
  issuer.answers.set(aggregation, (_request, response) => sendJson(response, { status_lists: lists }))
}

/** 64 statuses of two bits. */
function listOf(statuses: Readonly<Record<number, number>>): { bits: number; lst: string } {
  const bytes = Buffer.alloc(16)
  for (const [index, status] of Object.entries(statuses)) {
    const place = Math.floor(Number(index) / 4)
    bytes[place] = (bytes[place] ?? 0) | (status << ((Number(index) % 4) * 2))
  }
  return { bits: 2, lst: deflateSync(bytes).toString('base64url') }
}

function claimsOfList(list: unknown, changes: Overrides = {}): Record<string, unknown> {
  return { iss: issuer.issuer, sub: uri, iat: at, exp: at + 10 * ttl, ttl, status_list: list, ...changes }
}

function signList(payload: string, header: Overrides = {}, key = issuer.key): string {
  return signAnything({ alg: key.algorithm, kid: key.kid, typ: 'statuslist+jwt', ...header }, payload, key)
}

function serve(body: string, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/statuslist+jwt', ...headers })
    response.end(body)
  }
}

function publish(list: unknown, changes: Overrides = {}): void {
  answer = serve(signList(JSON.stringify(claimsOfList(list, changes))))
}

/** A token with this entry; the same claims make the same text but for its signature. */
function tokenOf(idx: unknown, place: unknown = uri): string {
  return issuer.token({ iat: at, exp: at + 50_000, jti: `token-${idx}`, status: { status_list: { idx, uri: place } } })
}

const figure = (guard: Guard, of: string): number =>
  Number(
    new RegExp(`^arctos_guard_${of} (\\d+)$`, 'm').exec(guard.metrics().replaceAll(`resource="${resource}",`, ''))?.[1],
  )

describe('a token with a status', () => {
  it.each([
    ['VALID', 0, 'good'],
    ['INVALID', 1, 'token.revoked'],
    ['SUSPENDED', 2, 'token.revoked'],
    ["an application's own", 3, 'token.revoked'],
    ['one beyond the end of the list', 64, 'token.status_unknown'],
    ['one whose index has more than 32 bits', 2 ** 32, 'token.status_unknown'],
  ])('that is %s is judged by it', async (_name, index, expected) => {
    const guard = guarded()
    expect([await verdict(guard, tokenOf(index)), await verdict(guard, tokenOf(index))]).toEqual([expected, expected])
  })

  it('is refused where nobody can follow the reference', async () => {
    for (const idx of ['1', -1, 0.5, undefined])
      expect(await verdict(guarded(), tokenOf(idx))).toBe('token.status_unknown')
    expect(issuer.hitsOf(path)).toBe(0)
  })

  it('is judged itself first: nothing is asked for the sake of one that is no good', async () => {
    const guard = guarded()
    const status = { status_list: { idx: 0, uri } }
    expect(await verdict(guard, issuer.token({ iat: at, exp: at - 60, status }))).toBe('token.expired')
    expect(await verdict(guard, issuer.token({ iat: at, status, aud: 'https://other.example' }))).toBe('token.audience')
    expect(await verdict(guard, issuer.token({ iat: at, status }, {}, { ...makeKey(), kid: issuer.key.kid }))).toBe(
      'token.signature',
    )
    expect([issuer.hitsOf(path), issuer.hitsOf(aggregation)]).toEqual([0, 0])
  })

  it('is judged by one list, however many come at once', async () => {
    const guard = guarded()
    const tokens = Array.from({ length: 40 }, (_, each) => tokenOf(each % 2))
    expect(await verdicts(guard, tokens)).toEqual({ good: 20, 'token.revoked': 20 })
    expect([issuer.hitsOf(path), issuer.hitsOf(aggregation)]).toEqual([1, 1])
  })

  it('says in its explanation what the list says, without anything being asked for one that anybody may have made', async () => {
    const guard = guarded()
    const forged = issuer.token(
      { iat: at, status: { status_list: { idx: 1, uri } } },
      {},
      { ...makeKey(), kid: issuer.key.kid },
    )
    await guard.explain(forged)
    expect(issuer.hitsOf(aggregation)).toBe(0)
    const steps = await guard.explain(tokenOf(1))
    expect(steps.find(({ check }) => check === 'status')).toMatchObject({
      passed: false,
      reason: 'token.revoked',
      expected: 'VALID',
      received: 'INVALID',
    })
  })
})

describe('a token without a status', () => {
  it('passes, and asks nobody', async () => {
    expect(await verdict(guarded(), issuer.token({ iat: at }))).toBe('good')
    expect(issuer.hitsOf(aggregation)).toBe(0)
  })

  it('is refused where the configuration demands one', async () => {
    expect(await verdict(guarded({ statusRequired: true }), issuer.token({ iat: at }))).toBe('token.status_unknown')
    const other = issuer.token({ iat: at, status: { another_mechanism: {} } })
    expect([await verdict(guarded(), other), await verdict(guarded({ statusRequired: true }), other)]).toEqual([
      'good',
      'token.status_unknown',
    ])
  })
})

describe('the addresses of lists', () => {
  it('are those that the issuer names: what a token names is not asked', async () => {
    let asked = 0
    const spy = await listen((_request, response) => {
      asked += 1
      response.end()
    })
    try {
      const guard = guarded()
      for (const place of [`${issuer.issuer}/status-lists/two`, `${spy.origin}/list`, 'file:///etc/passwd', 'one'])
        expect([place, await verdict(guard, tokenOf(0, place))]).toEqual([place, 'status.unavailable'])
      name([uri, `${spy.origin}/list`])
      at += 2
      expect(await verdict(guard, tokenOf(0, `${spy.origin}/list`))).toBe('status.unavailable')
      expect([asked, issuer.hitsOf('/status-lists/two')]).toEqual([0, 0])
    } finally {
      await spy.close()
    }
  })

  it('may be at an origin that the configuration names', async () => {
    const cdn = await listen((request, response) => {
      const place = `http://${request.headers.host}${request.url}`
      serve(signList(JSON.stringify(claimsOfList(listOf({ 1: 1 }), { sub: place }))))(request, response)
    })
    try {
      const place = `${cdn.origin}/lists/1`
      name([place])
      const guard = guarded({ statusListOrigins: [cdn.origin] })
      expect([await verdict(guard, tokenOf(0, place)), await verdict(guard, tokenOf(1, place))]).toEqual([
        'good',
        'token.revoked',
      ])
    } finally {
      await cdn.close()
    }
  })

  it('are asked for again for a new list, five times at once and then twice a second', async () => {
    let waited = 0
    const wait = async (milliseconds: number): Promise<void> => {
      waited += milliseconds
    }
    const guard = guarded({}, { wait })
    expect(await verdict(guard, tokenOf(0))).toBe('good')
    const two = `${issuer.issuer}/status-lists/two`
    // However many ask together, it is one question.
    const many = Array.from({ length: 20 }, () => tokenOf(0, two))
    expect(await verdicts(guard, many)).toEqual({ 'status.unavailable': 20 })
    expect(issuer.hitsOf(aggregation)).toBeLessThanOrEqual(3)
    const before = issuer.hitsOf(aggregation)
    for (let count = before; count < 7; count++)
      expect(await verdict(guard, tokenOf(0, two))).toBe('status.unavailable')
    expect([issuer.hitsOf(aggregation), waited]).toEqual([7, 1_000])
    name([uri, two])
    issuer.answers.set('/status-lists/two', serve(signList(JSON.stringify(claimsOfList(listOf({}), { sub: two })))))
    expect(await verdict(guard, tokenOf(0, two))).toBe('good')
  })

  it.each<readonly [string, unknown]>([
    ['no list', undefined],
    ['numbers', [1]],
    ['a number', 7],
    ['one text', 'https://as.example/one'],
    ['too many', Array.from({ length: 10_001 }, (_, each) => `${each}`)],
  ])('are none where the issuer sends %s', async (_name, lists) => {
    name(lists)
    const guard = guarded()
    expect(await verdict(guard, tokenOf(0))).toBe('status.unavailable')
    expect(figure(guard, 'status_list_failures_total{check="aggregation"}')).toBe(1)
  })
})

describe('a list', () => {
  it('is loaded again when its ttl is over, and ends tokens that were good before, and their streams', async () => {
    const guard = guarded()
    const token = tokenOf(5)
    const access = await guard.verifier()(token)
    const end = guard.endOf(access)
    publish(listOf({ 5: 1 }), { iat: at + ttl })
    at += ttl - 1
    expect([await verdict(guard, token), issuer.hitsOf(path)]).toEqual(['good', 1])
    at += 1
    expect([await verdict(guard, token), issuer.hitsOf(path)]).toEqual(['token.revoked', 2])
    await new Promise((resolve) => setImmediate(resolve))
    expect(end.aborted).toBe(true)
  })

  it('lets a token pass again that was suspended', async () => {
    const guard = guarded()
    expect(await verdicts(guard, [tokenOf(0), tokenOf(2)])).toEqual({ good: 1, 'token.revoked': 1 })
    at += ttl
    publish(listOf({}))
    expect(await verdict(guard, tokenOf(0))).toBe('good')
    expect(await verdict(guard, tokenOf(2))).toBe('good')
  })

  it('is asked for by its entity tag, and confirmed [RFC 9110 §13.1.2]', async () => {
    const list = signList(JSON.stringify(claimsOfList(listOf({ 1: 1 }))))
    answer = (request, response) => {
      if (request.headers['if-none-match'] === '"one"') response.writeHead(304).end()
      else serve(list, { etag: '"one"' })(request, response)
    }
    const guard = guarded()
    for (let round = 0; round < 3; round++) {
      expect(await verdicts(guard, [tokenOf(0), tokenOf(1)])).toEqual({ good: 1, 'token.revoked': 1 })
      at += ttl
    }
    expect(seen).toEqual([undefined, '"one"', '"one"'])
    expect(figure(guard, 'status_list_loads_total{result="applied"}')).toBe(1)
    expect(figure(guard, 'status_list_loads_total{result="unchanged"}')).toBe(2)
    // Confirmed for ever, but good only as long as it says itself.
    at += 10 * ttl
    expect(await verdict(guard, tokenOf(0))).toBe('status.unavailable')
  })

  it('says by itself how long it is kept, whatever the headers say', async () => {
    const text = signList(JSON.stringify(claimsOfList(listOf({}))))
    answer = serve(text, { 'cache-control': 'max-age=86400', expires: new Date((at + 86_400) * 1_000).toUTCString() })
    const guard = guarded()
    expect(await verdict(guard, tokenOf(0))).toBe('good')
    at += ttl
    answer = serve(text, { 'cache-control': 'no-store' })
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 2])
    at += ttl - 1
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 2])
  })

  it('without exp and ttl is kept for five minutes', async () => {
    publish(listOf({}), { exp: undefined, ttl: undefined })
    const guard = guarded()
    expect(await verdict(guard, tokenOf(0))).toBe('good')
    at += 299
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 1])
    at += 1
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 2])
  })

  it.each([
    ['a millisecond', 0.001, 5],
    ['a year', 31_536_000, 3_600],
  ])('of which the ttl is %s is not loaded as often as that', async (_name, said, kept) => {
    publish(listOf({}), { ttl: said, exp: at + 40_000_000 })
    const guard = guarded()
    await verdict(guard, tokenOf(0))
    at += kept - 1
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 1])
    at += 1
    expect([await verdict(guard, tokenOf(0)), issuer.hitsOf(path)]).toEqual(['good', 2])
  })

  it('that cannot be had is no reason for 401', async () => {
    answer = sendStatus(500)
    const guard = guarded()
    const decision = await guard.authorize({
      method: 'GET',
      url: '/',
      headers: { authorization: `Bearer ${tokenOf(0)}` },
    })
    expect(decision.ok ? 'good' : [decision.reason, decision.status, decision.challenge]).toEqual([
      'status.unavailable',
      503,
      undefined,
    ])
    const lenient = guarded({ whenStatusUnavailable: 'accept' })
    expect(await verdict(lenient, tokenOf(1))).toBe('good')
    expect(
      figure(lenient, 'status_unknown_total{}') || figure(lenient, `status_unknown_total{resource="${resource}"}`),
    ).toBe(1)
  })

  it('that has become old is used up to its end, while its issuer does not answer', async () => {
    const guard = guarded()
    const lenient = guarded({ whenStatusUnavailable: 'accept' })
    const tokens = [tokenOf(0), tokenOf(1)]
    for (const each of [guard, lenient]) expect(await verdicts(each, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
    answer = sendStatus(503)
    at += ttl
    for (const each of [guard, lenient]) expect(await verdicts(each, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
    // Known to be down, it is waited for no more: it is asked behind the requests.
    expect(guard.verifier()(tokenOf(0))).not.toBeInstanceOf(Promise)
    at += 9 * ttl - 1
    expect(await verdicts(guard, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
    at += 1
    // What was taken back stays so; of the other one nobody can say anything any more.
    expect(await verdicts(guard, tokens)).toEqual({ 'status.unavailable': 1, 'token.revoked': 1 })
    expect(await verdicts(lenient, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
  })

  it('that cannot be had is not asked for with every request', async () => {
    answer = sendStatus(500)
    const guard = guarded()
    for (let count = 0; count < 20; count++) expect(await verdict(guard, tokenOf(0))).toBe('status.unavailable')
    expect(issuer.hitsOf(path)).toBe(1)
    publish(listOf({}))
    at += 1
    expect(await verdict(guard, tokenOf(0))).toBe('good')
  })

  it('is one for each trust in an issuer: under other keys for the same name it is another list', async () => {
    const others = makeKey()
    issuer.answers.set('/other-jwks', (_request, response) => sendJson(response, { keys: [others.jwk] }))
    const tenants: Readonly<Record<string, string>> = { '/one': '/jwks', '/two': '/other-jwks' }
    const guard = guarded(
      {},
      { authorizationServers: ({ url }) => [{ issuer: issuer.issuer, jwksUri: issuer.issuer + tenants[url] }] },
    )
    const ask = async (url: string, token: string): Promise<string> => {
      const decision = await guard.authorize({ method: 'GET', url, headers: { authorization: `Bearer ${token}` } })
      return decision.ok ? 'good' : decision.reason
    }
    const status = { status_list: { idx: 0, uri } }
    const foreign = issuer.token({ iat: at, exp: at + 50_000, status }, { kid: others.kid }, others)
    // The list is signed with a key that the second tenant does not take.
    expect([await ask('/two', foreign), await ask('/one', tokenOf(0)), await ask('/one', tokenOf(1))]).toEqual([
      'status.unavailable',
      'good',
      'token.revoked',
    ])
    expect(await ask('/two', foreign)).toBe('status.unavailable')
  })

  it('gives its memory to those that are used more', async () => {
    const size = 4 * 1_024 * 1_024
    const lst = deflateSync(Buffer.alloc(size)).toString('base64url')
    const places = Array.from({ length: 18 }, (_, each) => `${issuer.issuer}/status-lists/large-${each}`)
    name(places)
    for (const sub of places)
      issuer.answers.set(
        new URL(sub).pathname,
        serve(signList(JSON.stringify(claimsOfList({ bits: 1, lst }, { sub })))),
      )
    const guard = guarded()
    for (const place of places) {
      at += 1
      expect(await verdict(guard, tokenOf(0, place))).toBe('good')
    }
    expect(figure(guard, `status_lists{resource="${resource}"}`)).toBe(16)
    expect([await verdict(guard, tokenOf(0, places[0])), issuer.hitsOf('/status-lists/large-0')]).toEqual(['good', 2])
  })
})

describe('a list that lies', () => {
  const good = () => JSON.stringify(claimsOfList(listOf({})))
  const stranger = makeKey()
  const bomb = { bits: 1, lst: deflateSync(Buffer.alloc(4 * 1_024 * 1_024 + 1)).toString('base64url') }
  it.each<readonly [string, string, () => string | RequestListener]>([
    ['has 3 bits', 'bits', () => signList(JSON.stringify(claimsOfList({ ...listOf({}), bits: 3 })))],
    ['is a zip bomb', 'size', () => signList(JSON.stringify(claimsOfList(bomb)))],
    ['is about another list', 'sub', () => signList(JSON.stringify(claimsOfList(listOf({}), { sub: `${uri}/` })))],
    ['is older than the last', 'iat', () => signList(JSON.stringify(claimsOfList(listOf({}), { iat: at - ttl - 1 })))],
    ['is from the future', 'iat', () => signList(JSON.stringify(claimsOfList(listOf({}), { iat: at + 60 })))],
    ['is over', 'exp', () => signList(JSON.stringify(claimsOfList(listOf({}), { exp: at - 60 })))],
    [
      'is of another issuer',
      'iss',
      () => signList(JSON.stringify(claimsOfList(listOf({}), { iss: 'https://other.example' }))),
    ],
    ['is of another kind', 'type', () => signList(good(), { typ: 'at+jwt' })],
    ['is signed by a stranger', 'signature', () => signList(good(), { kid: issuer.key.kid }, stranger)],
    ['is signed by a key that nobody published', 'key', () => signList(good(), {}, stranger)],
    ['is signed by nobody', 'algorithm', () => signList(good(), { alg: 'none' })],
    ['says something twice', 'claims', () => signList(good().replace('{', `{"sub":"${uri}",`))],
    ['says its bits twice', 'claims', () => signList(good().replace('"bits":2', '"bits":1,"bits":2'))],
    ['is a page', 'parts', () => '<html></html>'],
    [
      'is elsewhere',
      'answer',
      () => (_request, response) => void response.writeHead(302, { location: `${issuer.issuer}/other` }).end(),
    ],
    ['is not there any more', 'answer', () => sendStatus(404)],
    ['is confirmed though nobody asked for that', 'answer', () => sendStatus(304)],
    [
      'has no end',
      'answer',
      () => (_request, response) => {
        response.writeHead(200)
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 65)));
          if (!response.destroyed) response.once('drain', more)
        }
        more()
      },
    ],
  ])('because it %s has no effect on anyone, and is counted', async (_name, check, lie) => {
    issuer.answers.set('/other', serve(signList(good())))
    const guard = guarded()
    const tokens = [tokenOf(0), tokenOf(1)]
    expect(await verdicts(guard, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
    at += ttl
    const made = lie()
    answer = typeof made === 'string' ? serve(made) : made
    expect(await verdicts(guard, tokens)).toEqual({ good: 1, 'token.revoked': 1 })
    expect(figure(guard, `status_list_failures_total{check="${check}"}`)).toBe(1)
    expect(issuer.hitsOf('/other')).toBe(0)
    // Where it is the first one, nobody is taken for good or bad by it.
    const fresh = guarded()
    const alone = typeof made === 'string' || check === 'answer' ? await verdict(fresh, tokenOf(0)) : ''
    expect(check === 'iat' && alone === 'good' ? 'status.unavailable' : alone).toBe('status.unavailable')
  })

  it('explains itself', async () => {
    answer = serve(signList(JSON.stringify(claimsOfList(listOf({}), { sub: 'https://other.example/list' }))))
    const steps = await guarded().explain(tokenOf(0))
    expect(steps.find(({ check }) => check === 'status list')).toMatchObject({
      passed: false,
      reason: 'status.unavailable',
      expected: `a list of ${issuer.issuer}`,
      received: 'status list: sub: https://other.example/list',
    })
  })
})

describe('the options', () => {
  it.each<readonly [string, Overrides]>([
    ['tokenStatusList', { tokenStatusList: 'draft-20' }],
    ['statusRequired', { statusRequired: 'yes' }],
    ['whenStatusUnavailable', { whenStatusUnavailable: 'ignore' }],
    ['statusListOrigins', { statusListOrigins: ['https://cdn.example/lists'] }],
    ['statusListOrigins', { statusListOrigins: ['http://cdn.example'] }],
  ])('are refused where %s is something else', (option, wrong) => {
    expect(() => guarded(wrong)).toThrow(new RegExp(`experimental\\.${option}`))
  })
})

describe('an authorization server of ours', () => {
  it('takes a token back at a guard that knows nothing of it but its metadata', async () => {
    const [as, notes] = ['https://as.example', 'https://notes.example']
    let nowMs = at * 1_000
    const now = () => nowMs
    const store = await openStore({ database: ':memory:', now })
    try {
      await store.migrate()
      const settings = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
      await store.createResource({
        settings: { ...settings, identifier: notes, scopes: { read: 'Read' } },
        actor: 'test',
      })
      const client: ClientSettings = {
        name: 'Service',
        authenticationMethods: ['client_secret_post'],
        grantTypes: ['client_credentials'],
        redirectUris: [],
      }
      const secretHash = sha256Base64url('a secret')
      await store.createClient({ id: 'service', settings: client, secretHash, actor: 'test' })
      const experimental = { tokenStatusList: 'draft-21', statusListTtlSeconds: 10 } as const
      const server = await createAuthorizationServer({ issuer: as, store, kek: Buffer.alloc(32, 7), now, experimental })
      const send = async (url: string, init?: RequestInit) =>
        server.handle(new Request(url, init), { address: '192.0.2.1' })
      const take = async (): Promise<string> => {
        const form = { grant_type: 'client_credentials', client_id: 'service', client_secret: 'a secret' }
        const reply = await send(`${as}/token`, { method: 'POST', body: new URLSearchParams(form) })
        return String(((await reply.json()) as { access_token: string }).access_token)
      }
      const guard = resourceServer({
        resource: notes,
        authorizationServers: [as],
        scopes: { read: 'Read' },
        journal: () => {},
        fetch: send,
        now,
        experimental: { tokenStatusList: 'draft-21', statusRequired: true },
      }) as unknown as Guard
      guards.push(guard)
      const [before, other] = [await take(), issuer.token()]
      expect([await verdict(guard, before), await verdict(guard, other)]).toEqual(['good', 'token.issuer'])
      await store.cutOffClient({ clientId: 'service', actor: 'test', initiator: 'admin' })
      const after = await take()
      nowMs += 10_000
      expect([await verdict(guard, before), await verdict(guard, after)]).toEqual(['token.revoked', 'good'])
    } finally {
      await store.close()
    }
  })
})
