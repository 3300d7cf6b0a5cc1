import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GuardRequest, headerValues, policyOf, requirePolicy } from '../src/index.ts'
import type { App, Received, Sent } from './apps/app.ts'
import { apps } from './apps.ts'
import { guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const formLimit = 102_400

describe.each(Object.entries(apps))('%s', (name, start) => {
  let plain: App
  let lenient: App
  beforeAll(async () => {
    plain = await start(guardOf(issuer))
    lenient = await start(guardOf(issuer, { transports: { form: true, query: true } }))
  })
  afterAll(async () => {
    await plain.close()
    await lenient.close()
  })

  const good = () => [`Bearer ${issuer.token({ sub: 'user-7' })}`]
  /** The status of a refusal, or what the handler answered. */
  const told = ({ status, body }: Received) => (status === 200 ? JSON.parse(body) : status)
  const ask = async (app: App, sent: Omit<Sent, 'path'> & { readonly path?: string }) =>
    told(await app.ask({ path: '/read', ...sent }))
  const post = (app: App, body: string, authorization: readonly string[] = []) =>
    ask(app, { method: 'POST', body, authorization })
  const parsesFirst = ['plain data', 'Express, in routers', 'NestJS'].includes(name)

  it.each(['HEAD', 'OPTIONS'])('lets no %s without a token reach a handler [RFC 6750 §3.1(d)]', async (method) => {
    const { status, headers, body } = await plain.ask({ path: '/read', method })
    expect([status < 200 || status > 299 || headers['content-length'] === '0', body]).toEqual([true, ''])
    expect(status === 401).toBe(headers['www-authenticate'] !== undefined)
  })

  it('leaves the form to the handler where the transport is off', async () => {
    expect(await post(plain, 'note=hello', good())).toEqual({ subject: 'user-7', note: 'hello' })
    expect(await post(plain, `note=hello&access_token=${issuer.token()}`)).toBe(401)
  })

  it('sees a second token in a form only where a parser has read it [RFC 6750 §2]', async () => {
    const expected = parsesFirst ? 400 : { subject: 'user-7', note: 'hello' }
    expect(await post(plain, `note=hello&access_token=${issuer.token()}`, good())).toEqual(expected)
  })

  it('takes the token of a form, and the form still reaches the handler [RFC 6750 §2.2(a)(d)]', async () => {
    const body = `note=hello&access_token=${issuer.token({ sub: 'user-8' })}&more=1`
    expect(await post(lenient, body)).toEqual({ subject: 'user-8', note: 'hello' })
  })

  it('looks through the form beside a header [RFC 6750 §2]', async () => {
    expect(await post(lenient, 'note=hello', good())).toEqual({ subject: 'user-7', note: 'hello' })
    expect(await post(lenient, `access_token=${issuer.token()}`, good())).toBe(400)
  })

  it('refuses a form that is not all ASCII [RFC 6750 §2.2(b)]', async () => {
    expect(await post(lenient, `access_token=${issuer.token()}&note=n%C3%B6te`)).toBe(400)
    expect(await post(lenient, 'note=n%C3%B6te', good())).toEqual({ subject: 'user-7', note: 'n\u00f6te' })
  })

  it('reads a form up to its limit and no further', async () => {
    // Where a parser goes first, its limit holds.
    if (parsesFirst) return
    const body = `note=hello&access_token=${issuer.token({ sub: 'user-8' })}&more=`
    expect(await post(lenient, body + 'x'.repeat(formLimit - body.length))).toEqual({
      subject: 'user-8',
      note: 'hello',
    })
    expect(await post(lenient, body + 'x'.repeat(formLimit - body.length + 1))).toBe(400)
  })

  it('refuses a form that is too long before it is over', async () => {
    if (parsesFirst || lenient.origin === undefined) return
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'transfer-encoding': 'chunked' }
    const request = httpRequest(`${lenient.origin}/read`, { method: 'POST', headers })
    request.on('error', () => {}).write('x'.repeat(formLimit + 1))
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(400)
    request.destroy()
  })

  it('takes the token of the query, and says that the answer is private [RFC 6750 §2.3(a)(d)]', async () => {
    const path = `/read?access_token=${issuer.token({ sub: 'user-9' })}`
    const answer = await lenient.ask({ path })
    expect([told(answer), answer.headers['cache-control']]).toEqual([{ subject: 'user-9' }, 'private'])
    expect(await ask(lenient, { path, authorization: good() })).toBe(400)
    expect(await ask(plain, { path })).toBe(401)
  })

  it('answers before the body has come where nobody has to read it', async () => {
    if (parsesFirst || plain.origin === undefined) return
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '10' }
    const request = httpRequest(`${plain.origin}/read`, { method: 'POST', headers })
    request.flushHeaders()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(401)
    request.on('error', () => {}).destroy()
  })

  it('takes a form that comes in pieces', async () => {
    const { origin } = lenient
    if (origin === undefined) return
    const pieces = ['note=hel', 'lo&access_', `token=${issuer.token({ sub: 'user-8' })}`]
    expect(JSON.parse(await sendPieces(`${origin}/read`, pieces))).toEqual({ subject: 'user-8', note: 'hello' })
  })

  it('shows the headers of a request to whoever says whose tokens it may carry [RFC 9068 §4(b)]', async () => {
    const isOurs = ({ headers }: GuardRequest) => headerValues(headers, 'host').join() === 'ours.example'
    const tenants = await start(
      guardOf(issuer, { authorizationServers: (asked) => (isOurs(asked) ? [issuer.issuer] : []) }),
    )
    const at = (host: string) => ask(tenants, { authorization: good(), headers: { host } })
    expect([await at('ours.example'), await at('theirs.example')]).toEqual([{ subject: 'user-7' }, 401])
    await tenants.close()
  })

  it('lists its routes with their policies, and names the forgotten one', () => {
    const { routes } = plain
    if (routes === undefined) return
    const policies = new Map(routes.map(({ path, policy }) => [path, policy]))
    expect(policies.get('/read')).toEqual({ scope: 'read' })
    expect(policies.get('/write')).toEqual({ scope: 'write' })
    expect(policies.get('/open')).toBe('open')
    const require = () => requirePolicy(routes)
    if (policies.has('/forgotten')) expect(require).toThrow(/^no policy: GET \/forgotten; protect each/)
    else expect(require).not.toThrow()
  })
})

/** Sends a form in chunks, each when the one before is on its way, and gives back the body of the answer. */
async function sendPieces(url: string, pieces: readonly string[]): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const request = httpRequest(url, { method: 'POST', headers })
  const answer = new Promise<string>((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
  })
  for (const piece of pieces) {
    await new Promise<void>((resolve) => {
      request.write(piece, () => setImmediate(resolve))
    })
  }
  request.end()
  return answer
}

it('tells the policy of a guarded handler', async () => {
  const { protect } = await import('../src/adapters/fetch.ts')
  const handler = protect(guardOf(issuer), { scope: 'read' }, () => new Response())
  expect(policyOf(handler)).toEqual({ scope: 'read' })
})
