import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App, Received } from './apps/app.ts'
import { apps } from './apps.ts'
import { guardOf } from './guard.ts'
import { type Issuer, sendStatus, startIssuer } from './issuer.ts'

const metadataUrl = 'https://api.example.com/.well-known/oauth-protected-resource'

describe.each(Object.entries(apps))('%s', (_name, start) => {
  let issuer: Issuer
  let app: App

  beforeAll(async () => {
    issuer = await startIssuer()
    app = await start(guardOf(issuer))
  })
  afterAll(async () => {
    await app.close()
    await issuer.close()
  })

  it('answers a refusal with challenge, body, receipt and no-store [RFC 6750 §3(a)(b)(c)(j)]', async () => {
    const received = await app.ask({ path: '/read', authorization: ['Bearer garbage'] })
    expect(received).toEqual({
      status: 401,
      headers: expect.objectContaining({
        'www-authenticate':
          'Bearer error="invalid_token", error_description="The access token is invalid, expired or was revoked.", ' +
          `scope="read", resource_metadata="${metadataUrl}"`,
        'cache-control': 'no-store',
        'content-type': expect.stringMatching(/^application\/json(; charset=utf-8)?$/),
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
    const { headers, body } = await askInOutage()
    expect(headers['retry-after']).toBe('1')
    expect(JSON.parse(body)).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'The request cannot be decided now. Try again later.',
    })
  })

  async function askInOutage(): Promise<Received> {
    const broken = await startIssuer()
    broken.answers.set('/jwks', sendStatus(500))
    const guarded = await start(guardOf(broken))
    try {
      return await guarded.ask({ path: '/read', authorization: [`Bearer ${broken.token()}`] })
    } finally {
      await guarded.close()
      await broken.close()
    }
  }
})
