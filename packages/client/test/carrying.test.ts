import { request as httpRequest, type IncomingMessage } from 'node:http'
import { inspect } from 'node:util'
import { type BearerHeaders, bearerHeaders, clientSecretBasic, oauthClient } from '@arctos/client'
import axios, { type AxiosInstance, isAxiosError } from 'axios'
import { Agent, interceptors, fetch as undiciFetch, request as undiciRequest } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { service } from './support/authorization-server.ts'
import { listen } from './support/http.ts'
import type { SeenCall } from './support/protected-api.ts'
import { startScene } from './support/reporter.ts'

/** An origin that answers everything and notes what it got. */
async function startForeign() {
  const calls: Pick<SeenCall, 'url' | 'headers'>[] = []
  const origin = await listen((request, response) => {
    calls.push({ url: request.url ?? '', headers: request.headers })
    response.end('foreign')
  })
  return { origin, calls }
}

function redirectTo(origin: string, status = 302): string {
  return `/redirect?status=${status}&to=${encodeURIComponent(`${origin}/elsewhere`)}`
}

/** Every form in which an error ends up in a log. */
function printed(error: unknown): string {
  const json = JSON.stringify(error)
  return [json, inspect(error, { depth: 20, showHidden: true, getters: true }), String(error)].join('\n')
}

const failureOf = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    return await call.then(() => undefined)
  } catch (error) {
    return error
  }
}

/** axios with our fetch under it. Without `Request` it hands bodies over as they are, so that they can be sent again. */
async function startAxios() {
  const scene = await startScene()
  const notes = scene.client.fetch({ resource: scene.resource, scope: 'read' })
  const instance: AxiosInstance = axios.create({
    baseURL: scene.resource,
    adapter: 'fetch',
    env: { fetch: notes, Request: null as never },
  })
  return { ...scene, instance }
}

describe('axios', () => {
  it('sends the token with every call to the resource', async () => {
    const { instance, api } = await startAxios()
    const { data } = await instance.post('/notes', { text: 'hello' })
    expect(data).toMatchObject({ path: '/notes', method: 'POST', body: '{"text":"hello"}' })
    expect(api.calls[0]?.headers.authorization).toMatch(/^Bearer at-/)
  })

  it('repeats a call whose token was taken back, its body too', async () => {
    const { instance, server } = await startAxios()
    await instance.get('/notes')
    server.killAccessTokens()
    expect((await instance.post('/notes', { text: 'again' })).data).toMatchObject({ body: '{"text":"again"}' })
  })

  it('leaves the token behind where a redirect leads to another origin [RFC 6750 §5.3(a)]', async () => {
    const { instance } = await startAxios()
    const foreign = await startForeign()
    expect((await instance.get(redirectTo(foreign.origin))).data).toBe('foreign')
    expect(foreign.calls[0]?.headers.authorization).toBeUndefined()
  })

  it('gets no token for another origin, whatever its base is', async () => {
    const { instance } = await startAxios()
    const foreign = await startForeign()
    const error = await failureOf(instance.get(`${foreign.origin}/notes`))
    expect(printed(error)).toContain('not within the resource')
    expect(foreign.calls).toEqual([])
  })

  it.each([
    ['an answer', '/status/404'],
    ['a cut connection', '/cut'],
  ])('throws errors without a token, after %s', async (_, path) => {
    const { instance, api } = await startAxios()
    const error = await failureOf(instance.get(path))
    const token = api.calls[0]?.headers.authorization?.slice('Bearer '.length)
    expect(isAxiosError(error)).toBe(true)
    expect(token).toMatch(/^at-/)
    expect(printed(error)).not.toContain(token)
  })
})

describe('undici', () => {
  it("is what the client's own fetch sends by, through a dispatcher of its user's", async () => {
    const { server, resource, api, world } = await startScene()
    const dispatcher = new Agent()
    onTestFinished(() => dispatcher.close())
    const viaUndici = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as typeof fetch
    const auth = clientSecretBasic(service.secret)
    const client = oauthClient({ issuer: server.issuer, clientId: service.clientId, auth, ...world, fetch: viaUndici })
    const notes = client.fetch({ resource, scope: 'read' })
    expect((await notes('/notes', { method: 'POST', body: 'text' })).status).toBe(200)
    server.killAccessTokens()
    expect(await (await notes('/notes', { method: 'POST', body: 'text' })).json()).toMatchObject({ body: 'text' })
    expect(api.calls.at(-1)?.headers.authorization).toMatch(/^Bearer at-/)
    const foreign = await startForeign()
    expect(await (await notes(redirectTo(foreign.origin))).text()).toBe('foreign')
    expect(foreign.calls[0]?.headers.authorization).toBeUndefined()
  })

  it('sends requests of its own with the headers of a URL', async () => {
    const { client, resource, api } = await startScene()
    const headersFor = bearerHeaders(client, { resource, scope: 'read' })
    const url = `${resource}/notes`
    const { statusCode, body } = await undiciRequest(url, { headers: await headersFor(url) })
    await body.dump()
    expect(statusCode).toBe(200)
    expect(api.calls[0]?.headers.authorization).toMatch(/^Bearer at-/)
  })

  it('drops those headers itself where its interceptor follows a redirect to another origin [RFC 6750 §5.3(a)]', async () => {
    const { client, resource } = await startScene()
    const foreign = await startForeign()
    const agent = new Agent()
    onTestFinished(() => agent.close())
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 3 }))
    const headersFor = bearerHeaders(client, { resource, scope: 'read' })
    const url = `${resource}${redirectTo(foreign.origin)}`
    const { body } = await undiciRequest(url, { dispatcher, headers: await headersFor(url) })
    expect(await body.text()).toBe('foreign')
    expect(foreign.calls[0]?.headers.authorization).toBeUndefined()
  })

  it('throws errors without a token, after an answer and after a cut connection', async () => {
    const { client, resource, api } = await startScene()
    const agent = new Agent()
    onTestFinished(() => agent.close())
    const dispatcher = agent.compose(interceptors.responseError())
    const headersFor = bearerHeaders(client, { resource, scope: 'read' })
    for (const path of ['/status/404', '/cut']) {
      const url = `${resource}${path}`
      const error = await failureOf(undiciRequest(url, { dispatcher, headers: await headersFor(url) }))
      expect(error).toBeInstanceOf(Error)
      const token = api.calls.at(-1)?.headers.authorization?.slice('Bearer '.length)
      expect(token).toMatch(/^at-/)
      expect(printed(error)).not.toContain(token)
    }
  })
})

describe('node:http', () => {
  const send = async (url: string, headers: BearerHeaders): Promise<IncomingMessage> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    httpRequest(url, { headers }, resolve).on('error', reject).end()
    const response = await promise
    response.resume()
    return response
  }

  it('sends the headers of a URL, and follows no redirect', async () => {
    const { client, resource, api } = await startScene()
    const foreign = await startForeign()
    const headersFor = bearerHeaders(client, { resource, scope: 'read' })
    expect((await send(`${resource}/notes`, await headersFor('/notes'))).statusCode).toBe(200)
    const path = redirectTo(foreign.origin)
    expect((await send(`${resource}${path}`, await headersFor(path))).statusCode).toBe(302)
    expect(api.calls.map(({ headers }) => headers.authorization)).toEqual([
      expect.stringMatching(/^Bearer at-/),
      expect.stringMatching(/^Bearer at-/),
    ])
    expect(foreign.calls).toEqual([])
  })

  it('fails without a token in the error', async () => {
    const { client, resource, api } = await startScene()
    const headersFor = bearerHeaders(client, { resource, scope: 'read' })
    const error = await failureOf(send(`${resource}/cut`, await headersFor('/cut')))
    const token = api.calls[0]?.headers.authorization?.slice('Bearer '.length)
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(printed(error)).not.toContain(token)
  })
})

describe('the headers of a URL', () => {
  it.each(['https://evil.example/notes', '//evil.example/notes', 'http://127.0.0.1:1/notes'])(
    'are not made for %s, which is outside the resource [RFC 6750 §5.3(a)]',
    async (url) => {
      const { client, resource } = await startScene()
      const headers = bearerHeaders(client, { resource, scope: 'read' })(url)
      await expect(headers).rejects.toMatchObject({ code: 'outside_resource' })
    },
  )

  it('print no token, alone or within something else', async () => {
    const { client, resource } = await startScene()
    const headers = await bearerHeaders(client, { resource, scope: 'read' })('/notes')
    const token = headers.authorization.slice('Bearer '.length)
    expect([headers, { request: { headers } }].map(printed).join()).not.toContain(token)
    expect(JSON.stringify(headers)).toBe('{"authorization":"Bearer [redacted]"}')
  })

  it('hold a new token after the session was refreshed', async () => {
    const { program, resource, openBrowser } = await startScene()
    const session = await program.login({ resource, scope: 'read offline_access', openBrowser })
    const headersFor = bearerHeaders(session, { resource })
    const before = (await headersFor('/notes')).authorization
    await session.refresh({ resource })
    expect((await headersFor('/notes')).authorization).not.toBe(before)
  })
})
