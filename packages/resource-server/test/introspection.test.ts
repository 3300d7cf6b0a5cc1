import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IntrospectionOptions } from '../src/index.ts'
import { type Guard, guardOf, present, verdict, verdicts } from './guard.ts'
import { hang, type Issuer, resource, sendJson, sendStatus, startIssuer } from './issuer.ts'

const token = 'arctos_at_opaque'
let issuer: Issuer
let guard: Guard
/** What the issuer says of every token. */
let answer: unknown
/** What it was asked. */
let asked: { headers: IncomingMessage['headers']; method: string | undefined; body: string }[]

beforeEach(async () => {
  issuer = await startIssuer()
  asked = []
  answer = { active: true, ...issuer.claims() }
  issuer.answers.set('/introspect', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({ headers: request.headers, method: request.method, body })
    sendJson(response, answer)
  })
  guard = guarded()
})
afterEach(() => issuer.close())

function guarded(options: Partial<IntrospectionOptions> = {}): Guard {
  const introspection = { clientId: 'rs:1', clientSecret: 'p@ss word%', ...options }
  return guardOf(issuer, { introspection })
}

describe('asking', () => {
  it('posts the token as a form, with its own credential [RFC 7662 §2.1(b)(e), RFC 6749 §2.3.1]', async () => {
    expect(await verdict(guard, token)).toBe('good')
    expect(asked).toEqual([
      {
        method: 'POST',
        body: `token=${token}&token_type_hint=access_token`,
        headers: expect.objectContaining({
          'content-type': 'application/x-www-form-urlencoded',
          authorization: `Basic ${Buffer.from('rs%3A1:p%40ss+word%25').toString('base64')}`,
        }),
      },
    ])
  })

  it('asks once for requests that arrive together, and again for the next', async () => {
    expect(await verdicts(guard, Array(50).fill(token))).toEqual({ good: 50 })
    expect(asked.length).toBe(1)
    await verdict(guard, token)
    expect(asked.length).toBe(2)
  })

  it('asks separately for separate tokens', async () => {
    await verdicts(guard, ['one', 'two', 'three'])
    expect(asked.length).toBe(3)
  })

  it('asks nobody about a JWT', async () => {
    expect(await verdict(guard, issuer.token())).toBe('good')
    expect(asked).toEqual([])
  })

  it('refuses a token that is no JWT where introspection is not configured', async () => {
    expect(await verdict(guardOf(issuer), token)).toBe('token.malformed')
  })

  it('asks about whatever has not the two dots of a JWT', async () => {
    expect(await verdicts(guard, ['a', 'a.b', 'a.b.c', 'a.b.c.d', 'a.b.c.d.e'])).toEqual({
      good: 4,
      'token.malformed': 1,
    })
  })

  it('lets a thousand tokens wait, and tells the next to come back', async () => {
    const fetch = () => new Promise<never>(() => {})
    const crowded = guardOf(issuer, { introspection: { clientId: 'rs', clientSecret: 's' }, fetch })
    for (let count = 0; count < 1_000; count++) void verdict(crowded, `token-${count}`)
    expect(await verdict(crowded, 'one-more')).toBe('introspection.unavailable')
  })

  it('asks nobody about a token beyond 8 KB', async () => {
    expect(await verdict(guard, 'x'.repeat(8_193))).toBe('token.malformed')
    expect(await verdict(guard, 'x'.repeat(8_192))).toBe('good')
    expect(asked.length).toBe(1)
  })

  it('uses the endpoint of the configuration before that of the metadata', async () => {
    issuer.answers.set('/elsewhere', (_request, response) => sendJson(response, { active: false }))
    expect(await verdict(guarded({ endpoint: `${issuer.issuer}/elsewhere` }), token)).toBe('token.inactive')
  })
})

describe('the answer', () => {
  it('makes a token bad with the boolean false alone [RFC 7662 §2.2(b)]', async () => {
    answer = { ...issuer.claims(), active: false }
    expect(await verdict(guard, token)).toBe('token.inactive')
  })

  it.each([
    ['the text "true"', 'true'],
    ['the text "false"', 'false'],
    ['1', 1],
    ['0', 0],
    ['null', null],
    ['an object', {}],
  ])('says nothing of the token with %s: neither good nor bad [RFC 7662 §2.2(b)]', async (_name, active) => {
    answer = { ...issuer.claims(), active }
    expect(await present(guard, token)).toMatchObject({ ok: false, reason: 'introspection.unavailable', status: 503 })
  })

  it.each([
    ['for another resource', { aud: 'https://other.example.com' }, 'token.audience'],
    ['from another issuer', { iss: 'https://as.example.org' }, 'token.issuer'],
    ['that has expired', { exp: 1 }, 'token.expired'],
    ['bound to a key', { cnf: { jkt: 'x' } }, 'token.sender_constrained'],
    ['of type DPoP', { token_type: 'DPoP' }, 'token.sender_constrained'],
    ['for use as a refresh token', { token_use: 'refresh_token' }, 'token.type'],
    ['without any client', { client_id: undefined }, 'token.claim_invalid'],
    ['without the scope', { scope: 'other' }, 'token.scope'],
  ])('is refused for a token %s [RFC 7662 §2.2]', async (_name, claims, reason) => {
    answer = { active: true, ...issuer.claims(claims) }
    expect(await verdict(guard, token)).toBe(reason)
  })

  it('is enough with active, client and scope: the rest is checked where it is present [RFC 7662 §2.2]', async () => {
    answer = { active: true, client_id: 'client-1', scope: 'read', token_type: 'Bearer' }
    const decision = await present(guard, token)
    expect(decision).toMatchObject({
      ok: true,
      access: { issuer: issuer.issuer, subject: 'client-1', audience: [resource], scopes: ['read'] },
    })
  })

  it('cannot be changed by a handler: requests that arrive together share it', async () => {
    const decision = await present(guard, token)
    expect(decision.ok && Object.isFrozen(decision.access.claims)).toBe(true)
  })
})

describe('without an answer', () => {
  it.each([
    ['the endpoint fails', sendStatus(500)],
    ['our credential is wrong', sendStatus(401)],
    ['it redirects', (_request: unknown, response) => void response.writeHead(307, { location: '/other' }).end()],
    ['our credential may not ask', sendStatus(403)],
    ['it is a list', (_request: unknown, response) => sendJson(response, [{ active: true }])],
    ['it says active twice', (_request: unknown, response) => void response.end('{"active":true,"active":true}')],
    ['it is huge', (_request: unknown, response) => sendJson(response, { active: true, x: 'x'.repeat(262_144) })],
    ['it breaks off', (_request: unknown, response) => void response.writeHead(200, { 'content-length': 9 }).destroy()],
    ['it is no JSON', (_request: unknown, response) => void response.end('<html>')],
    ['it says nothing of active', (_request: unknown, response) => sendJson(response, {})],
  ] as [string, ReturnType<typeof sendStatus>][])(
    'cannot decide when %s [RFC 9110 §15.6.4]',
    async (_name, listener) => {
      issuer.answers.set('/introspect', listener)
      const decision = await present(guard, token)
      expect(decision).toMatchObject({
        ok: false,
        reason: 'introspection.unavailable',
        status: 503,
        challenge: undefined,
      })
      expect(decision.ok || decision.response.headers['retry-after']).toBe('1')
    },
  )

  it('gives up after three seconds', async () => {
    const { listener, release } = hang()
    issuer.answers.set('/introspect', listener)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
    release()
  })

  it('cannot decide when the metadata names no endpoint', async () => {
    issuer.answers.set('/.well-known/oauth-authorization-server', (_request, response) =>
      sendJson(response, { issuer: issuer.issuer, jwks_uri: issuer.jwksUri }),
    )
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })

  it('asks again as soon as the issuer is back', async () => {
    const back = issuer.answers.get('/introspect')
    issuer.answers.set('/introspect', sendStatus(500))
    await verdict(guard, token)
    if (back !== undefined) issuer.answers.set('/introspect', back)
    expect(await verdict(guard, token)).toBe('good')
  })
})
