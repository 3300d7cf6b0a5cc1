import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import {
  connect,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as fetchAdapter from '../src/adapters/fetch.ts'
import * as hono from '../src/adapters/hono.ts'
import * as node from '../src/adapters/node.ts'
import { guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const lenient = (options = {}) => guardOf(issuer, { transports: { form: true, query: true }, ...options })
const formType = { 'content-type': 'application/x-www-form-urlencoded' }
const formRequest = (body: string) =>
  new Request('https://api.example.com/', { method: 'POST', headers: formType, body })

describe('a form over HTTP/2', () => {
  async function statusOf(headers: Record<string, string>, body: string): Promise<unknown> {
    const listener = node.protect(
      lenient(),
      { scope: 'read' },
      async (request: Http2ServerRequest, response: Http2ServerResponse) => response.end(await text(request)),
    )
    const server = createHttp2Server(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const stream = session.request({ ':method': 'POST', ':path': '/', ...formType, ...headers })
    stream.end(body)
    const [[answer], said] = await Promise.all([once(stream, 'response'), text(stream)])
    session.close()
    server.close()
    return [answer[':status'], answer[':status'] === 200 ? said : '']
  }

  it('is read where its length is known, and refused where it is not', async () => {
    const body = `note=hello&access_token=${issuer.token()}`
    expect(await statusOf({ 'content-length': String(body.length) }, body)).toEqual([200, body])
    expect(await statusOf({}, body)).toEqual([400, ''])
  })
})

it('refuses a form that breaks off', async () => {
  const refused = Promise.withResolvers<string>()
  const guard = lenient({ onRefusal: ({ reason }: { reason: string }) => refused.resolve(reason) })
  const server = createServer(node.protect(guard, {}, (_request, response) => response.end(''))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const request = httpRequest({
    port,
    host: '127.0.0.1',
    method: 'POST',
    headers: { ...formType, 'content-length': 99 },
  })
  request.on('error', () => {})
  request.write('access_token=', () => request.destroy())
  expect(await refused.promise).toBe('credentials.malformed')
  server.close()
})

it('leaves an empty form to its handler, and refuses one in chunks', async () => {
  const authorization = `Bearer ${issuer.token()}`
  const listener = node.protect(lenient(), { scope: 'read' }, (request: IncomingMessage, response) => {
    request.on('data', () => {})
    request.on('end', () => response.end('ended'))
  })
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = async (length: Record<string, string>): Promise<unknown> => {
    const socket = connectSocket(port, '127.0.0.1')
    const lines = Object.entries({ host: 'a', connection: 'close', ...formType, authorization, ...length })
    socket.write(`POST / HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n`)
    if ('transfer-encoding' in length) socket.write('0\r\n\r\n')
    const answer = await text(socket)
    return [answer.slice(9, 12), answer.includes('ended')]
  }
  expect(await ask({ 'content-length': '0' })).toEqual(['200', true])
  expect(await ask({})).toEqual(['200', true])
  expect(await ask({ 'transfer-encoding': 'chunked' })).toEqual(['400', false])
  server.close()
})

describe('a form that was read before the guard', () => {
  it('is shown again by Hono', async () => {
    const app = new Hono<{ Variables: hono.AccessVariables }>()
    app.use(async (context, next) => {
      await context.req.parseBody()
      await next()
    })
    app.post('/', hono.protect(lenient(), { scope: 'read' }), (context) => context.text(context.var.access.subject))
    const response = await app.request(formRequest(`access_token=${issuer.token({ sub: 'user-7' })}`))
    expect([response.status, await response.text()]).toEqual([200, 'user-7'])
  })

  it('is our fault where nobody can show it again [RFC 9110 §15.6.1]', async () => {
    const handler = fetchAdapter.protect(lenient(), { scope: 'read' }, () => new Response())
    const request = formRequest(`access_token=${issuer.token()}`)
    await request.text()
    expect((await handler(request)).status).toBe(500)
  })
})

describe('an answer to a token in the query', () => {
  const url = () => `https://api.example.com/?access_token=${issuer.token()}`
  const kept = [
    ['public, max-age=60', 'private'],
    ['max-age=60', 'private'],
    ['private, max-age=60', 'private, max-age=60'],
    ['no-store', 'no-store'],
  ] as const

  it.each(kept)('that says %j is %j [RFC 6750 §2.3(d)]', async (stated, expected) => {
    const headers = { 'cache-control': stated }
    const handler = fetchAdapter.protect(lenient(), { scope: 'read' }, () => new Response('', { headers }))
    const app = new Hono<{ Variables: hono.AccessVariables }>()
    app.get('/', hono.protect(lenient(), { scope: 'read' }), (context) => context.text('', 200, headers))
    const answers = [await handler(new Request(url())), await app.request(url())]
    expect(answers.map((answer) => answer.headers.get('cache-control'))).toEqual([expected, expected])
  })

  it('stays as it is where it is no success', async () => {
    const headers = { 'cache-control': 'max-age=60' }
    const handler = fetchAdapter.protect(lenient(), {}, () => new Response('', { status: 404, headers }))
    expect((await handler(new Request(url()))).headers.get('cache-control')).toBe('max-age=60')
  })
})
