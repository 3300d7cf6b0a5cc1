import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type App, apps, type Received } from './apps.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, sendStatus, startIssuer } from './issuer.ts'
import { type Vector, vectors } from './vectors.ts'

const metadataUrl = 'https://api.example.com/.well-known/oauth-protected-resource'

describe.each(Object.entries(apps))('%s', (_name, start) => {
  let issuer: Issuer
  let guard: Guard
  let app: App

  beforeAll(async () => {
    issuer = await startIssuer()
    guard = guardOf(issuer)
    app = await start(guard)
  })
  afterAll(async () => {
    await app.close()
    await issuer.close()
  })

  for (const vector of vectors) {
    it(vector.title, async () => {
      const { received, reason } = await (vector.outage === undefined ? askUsually(vector) : askInOutage(vector))
      const { status, error, reason: expected } = vector
      expect({ status: received.status, error: errorOf(received), reason }).toEqual({ status, error, reason: expected })
    })
  }

  it('answers a refusal with challenge, body, receipt and no-store [RFC 6750 §3(a)(b)(c)(j)]', async () => {
    const received = await app.ask({ path: '/read', authorization: ['Bearer garbage'] })
    expect(received).toEqual({
      status: 401,
      headers: expect.objectContaining({
        'www-authenticate':
          'Bearer error="invalid_token", error_description="The access token is invalid, expired or was revoked.", ' +
          `scope="read", resource_metadata="${metadataUrl}"`,
        'cache-control': 'no-store',
        'content-type': 'application/json',
        'arctos-receipt': expect.stringMatching(/^[\w-]{16}$/),
      }),
      body: '{"error":"invalid_token","error_description":"The access token is invalid, expired or was revoked."}',
    })
  })

  it('answers a request without credentials with a bare challenge, no body, no receipt [RFC 6750 §3.1(d)]', async () => {
    const { status, headers, body } = await app.ask({ path: '/read' })
    expect([status, headers['www-authenticate'], headers['arctos-receipt'], body]).toEqual([
      401,
      `Bearer scope="read", resource_metadata="${metadataUrl}"`,
      undefined,
      '',
    ])
  })

  it('names in a 403 the scope to ask for [RFC 6750 §3.1(c)]', async () => {
    const { headers } = await app.ask({ path: '/write', authorization: [`Bearer ${issuer.token()}`] })
    expect(headers['www-authenticate']).toContain('error="insufficient_scope"')
    expect(headers['www-authenticate']).toContain('scope="write"')
  })

  it('gives the access to the handler', async () => {
    const { body } = await app.ask({ path: '/read', authorization: [`Bearer ${issuer.token({ sub: 'user-7' })}`] })
    expect(JSON.parse(body)).toEqual({ subject: 'user-7' })
  })

  it('says when to come back when it cannot decide [RFC 9110 §15.6.4]', async () => {
    const vector = vectors.find((each) => each.outage === 'jwks')
    const { headers, body } = (await askInOutage(vector ?? fail())).received
    expect(headers['retry-after']).toBe('1')
    expect(JSON.parse(body)).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'The request cannot be decided now. Try again later.',
    })
  })

  async function askUsually(vector: Vector): Promise<Asked> {
    const received = await ask(app, issuer, vector)
    return { received, reason: reasonOf(guard, received) }
  }

  async function askInOutage(vector: Vector): Promise<Asked> {
    const broken = await startIssuer()
    broken.answers.set(vector.outage === 'jwks' ? '/jwks' : '/.well-known/oauth-authorization-server', sendStatus(500))
    const guard = guardOf(broken)
    const guarded = await start(guard)
    try {
      const received = await ask(guarded, broken, vector)
      return { received, reason: reasonOf(guard, received) }
    } finally {
      await guarded.close()
      await broken.close()
    }
  }
})

interface Asked {
  readonly received: Received
  readonly reason: string | undefined
}

/** What the receipt of an answer stands for. */
function reasonOf(guard: Guard, { headers }: Received): string | undefined {
  return guard.findRefusal(headers['arctos-receipt'] ?? '')?.reason
}

function fail(): never {
  throw new Error('there is no such vector')
}

function ask(app: App, issuer: Issuer, vector: Vector): Promise<Received> {
  const { authorization, query, body, scope = 'read' } = vector
  const content = body === undefined ? {} : { method: 'POST', body: body(issuer) }
  const path = `/${scope}${query?.(issuer) ?? ''}`
  return app.ask({ path, authorization: authorization(issuer), ...content })
}

/** The error code of the challenge, `''` for a challenge without one. */
function errorOf({ headers }: Received): string | undefined {
  const challenge = headers['www-authenticate']
  if (challenge === undefined) return undefined
  expect(challenge).toMatch(/^Bearer (\w+="[^"\\]*")(, \w+="[^"\\]*")*$/)
  return /\berror="([^"]*)"/.exec(challenge)?.[1] ?? ''
}
