import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protect, protectUpgrade } from '../src/adapters/node.ts'
import { guardRequest } from '../src/adapters/node-message.ts'
import { accessOf, type HeaderLookup } from '../src/index.ts'
import { guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

async function withServer<Result>(server: Server, work: (origin: string) => Promise<Result>): Promise<Result> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe('an upgrade', () => {
  /** The status, the challenge and what the other protocol said first. */
  async function upgrade(authorization: string | undefined): Promise<(string | number | undefined)[]> {
    const server = createServer((_request, response) => response.end())
    server.on(
      'upgrade',
      protectUpgrade(guardOf(issuer), { scope: 'read' }, (request, socket) => {
        expect(socket.listenerCount('error')).toBe(0)
        socket.end(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n${accessOf(request).subject}`,
        )
      }),
    )
    return withServer(server, async (origin) => {
      const headers = { connection: 'upgrade', upgrade: 'echo', ...(authorization && { authorization }) }
      const request = httpRequest(`${origin}/socket`, { headers })
      request.end()
      const [[message, socket, head]] = (await Promise.race([
        once(request, 'upgrade').then((parts) => [parts]),
        once(request, 'response').then((parts) => [parts]),
      ])) as [[IncomingMessage, NodeJS.ReadableStream | undefined, Buffer | undefined]]
      const said = [head?.toString('latin1') ?? '']
      for await (const chunk of socket ?? message) said.push(String(chunk))
      return [message.statusCode, message.headers['www-authenticate'], said.join('')]
    })
  }

  it('is refused while it is still HTTP [RFC 6750 §3.1(d)]', async () => {
    const metadata = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
    expect(await upgrade(undefined)).toEqual([401, `Bearer scope="read", ${metadata}`, ''])
    expect((await upgrade(`Bearer ${issuer.token({ scope: 'write' })}`))[0]).toBe(403)
  })

  it('reaches its handler with a good token', async () => {
    expect(await upgrade(`Bearer ${issuer.token({ sub: 'user-7' })}`)).toEqual([101, undefined, 'user-7'])
  })

  it('ends the connection, and nothing else, where its handler fails', async () => {
    const server = createServer()
    const failing = async (): Promise<never> => {
      throw new Error('the handler failed')
    }
    server.on('upgrade', protectUpgrade(guardOf(issuer), { scope: 'read' }, failing))
    await withServer(server, async (origin) => {
      const authorization = `Bearer ${issuer.token()}`
      const request = httpRequest(origin, { headers: { connection: 'upgrade', upgrade: 'echo', authorization } })
      request.end()
      const [error] = await once(request, 'error')
      expect(error).toMatchObject({ code: 'ECONNRESET' })
    })
  })
})

describe('a stream', () => {
  it('is closed when the token of its reader expires', async () => {
    const begin = Math.floor(Date.now() / 1_000)
    let now = begin * 1_000
    const guard = guardOf(issuer, { now: () => now, clockToleranceSeconds: 0 })
    const listener = protect(guard, { scope: 'read' }, (request: IncomingMessage, response: ServerResponse) => {
      // The reader comes shortly before the token ends.
      now += 59_950
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
      guard.endOf(accessOf(request)).addEventListener('abort', () => response.end('data: last\n\n'))
    })
    const token = issuer.token({ iat: begin, exp: begin + 60 })
    const body = await withServer(createServer(listener), async (origin) => {
      const response = await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
      return response.text()
    })
    expect(body).toBe('data: first\n\ndata: last\n\n')
  })
})

it('reads the host of a request of HTTP/2 like any other [RFC 9113 §8.3.1]', () => {
  const { headers } = guardRequest({ rawHeaders: [':authority', 'api.example.com', 'Accept', 'a', 'accept', 'b'] })
  const { get } = headers as HeaderLookup
  expect([get('Host'), get('ACCEPT'), get('cookie')]).toEqual(['api.example.com', 'a, b', null])
})
