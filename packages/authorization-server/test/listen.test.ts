import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { request as secureRequest } from 'node:https'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { type AuthorizationServer, bindAll, listen } from '@arctos/authorization-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSelfSignedCertificate } from '../../resource-server/test/certificate.ts'
import { isActive, ownToken, refresh, signIn, tokensOf } from './endpoints/flows.ts'
import { basic, encodeForm, type Installation, install } from './endpoints/installation.ts'
import { openRaw, type Served, serve, statusesOf } from './endpoints/raw-http.ts'

const live = 'GET /live HTTP/1.1\r\nHost: x\r\n\r\n'
const tokenBody = 'grant_type=client_credentials'
const head = (length: number, more = ''): string =>
  `POST /token HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('service').authorization}\r\n${more}` +
  `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${length}\r\n\r\n`

describe('an authorization server on a socket', () => {
  let site: Installation
  let served: Served
  beforeAll(async () => {
    site = await install()
    served = await serve(site)
  })
  afterAll(async () => {
    await served.listening.close(0)
    await site.end()
  })

  it('answers what it answers without one', async () => {
    for (const path of [
      '/jwks',
      '/.well-known/oauth-authorization-server',
      '/live',
      '/ready',
      '/receipts/x',
      '/account',
    ]) {
      const [there, here] = [await served.send(path), await site.send(path)]
      const usual = ([name]: readonly [string, string]): boolean =>
        !/^(date|connection|keep-alive|content-length|transfer-encoding|set-cookie)$/.test(name)
      expect([path, there.status, [...there.headers].filter(usual)]).toEqual([
        path,
        here.status,
        [...here.headers].filter(usual),
      ])
      if (path !== '/account') expect(there.text).toBe(here.text)
    }
  })

  it('answers HEAD without a body, as long as GET would be', async () => {
    for (const path of ['/jwks', '/live', '/.well-known/openid-configuration']) {
      const [get, headed] = [await served.send(path), await served.send(path, { method: 'HEAD' })]
      expect([path, headed.status, headed.text]).toEqual([path, 200, ''])
      expect(headed.headers.get('content-length')).toBe(String(Buffer.byteLength(get.text)))
    }
  })

  it('loses nothing to a body that never arrives whole [RFC 6749 §10.14(a)]', async () => {
    const { access, refresh: token } = await signIn(site)
    const before = site.journal.length
    const form = encodeForm({ grant_type: 'refresh_token', refresh_token: token })
    for (const more of ['', 'X-More: 1\r\n']) {
      const connection = await openRaw(served.port, head(form.length, more) + form.slice(0, -5))
      connection.socket.destroy()
      await connection.closed
    }
    const chunked = head(0).replace('Content-Length: 0', 'Transfer-Encoding: chunked')
    const connection = await openRaw(served.port, `${chunked}5\r\ngrant`)
    connection.socket.destroy()
    await expect.poll(() => site.journal.length).toBe(before + 3)
    for (const { reason, fault } of site.journal.slice(before))
      expect([reason, fault]).toEqual(['request.malformed', undefined])
    expect(await isActive(site, access)).toBe(true)
    expect((await refresh(site, token)).status).toBe(200)
  })

  it('serves others while two hundred send nothing more', async () => {
    const slow = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        openRaw(served.port, at % 2 === 0 ? head(100) : 'POST /token HTTP/1.1\r\nHost'),
      ),
    )
    for (let round = 0; round < 20; round++) {
      const form = {
        method: 'POST',
        body: tokenBody,
        headers: { ...basic('service'), 'content-type': 'application/x-www-form-urlencoded' },
      }
      expect((await served.send('/token', form)).status).toBe(200)
    }
    for (const { socket } of slow) socket.destroy()
    await Promise.all(slow.map(({ closed }) => closed))
  })

  it('lives on when an answer is a fault of ours', async () => {
    const failing = await listen(
      {
        handle: () => Promise.reject(new Error('a bug')),
        answerProgram: (_, __, target) => (target === '/page' ? undefined : Promise.reject(new Error('another'))),
      },
      { port: 0, hosts: ['127.0.0.1'] },
    )
    for (const path of ['/page', '/token']) {
      const connection = await openRaw(
        failing.port,
        live.replace('/live', path).replace('Host', 'Connection: close\r\nHost'),
      )
      expect(statusesOf(await connection.closed)).toEqual([500])
    }
    await failing.close(0)
  })
})

/** Unlike `once`, takes an error for an end like any other. */
function ended(stream: { readonly once: (event: 'close', listener: () => void) => unknown }): Promise<void> {
  return new Promise((resolve) => void stream.once('close', resolve))
}

describe('a slow sender', () => {
  // A tenth of the limits that operators get, and one wait for all of them.
  const timeouts = {
    headersTimeout: 1_000,
    requestTimeout: 1_500,
    keepAliveTimeout: 500,
    connectionsCheckingInterval: 50,
  }

  it('is cut off: at its headers, its body, at rest, with TLS and HTTP/2 and before any of them', async () => {
    const site = await install()
    const { port, listening } = await serve(site, { timeouts })
    const tls = makeSelfSignedCertificate()
    const secure = await listen(site.server, { port: 0, hosts: ['127.0.0.1'], tls, timeouts })
    const since = performance.now()
    const dribbled = ({
      socket,
    }: {
      socket: { readonly writable: boolean; write: (text: string) => unknown }
    }): NodeJS.Timeout => setInterval(() => socket.writable && socket.write('x'), 50)
    const seconds = async (closed: Promise<unknown>): Promise<number> => {
      await closed
      return (performance.now() - since) / 1_000
    }
    const [headers, body, resting] = [
      await openRaw(port, 'POST /token HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      await openRaw(port, head(10_000)),
      await openRaw(port, live),
    ]
    const secured = connectTls({
      port: secure.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    secured.on('error', () => undefined)
    await once(secured, 'secureConnect')
    secured.write(head(10_000))
    const session = connectHttp2(`https://127.0.0.1:${secure.port}`, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const stream = session.request({ ':method': 'POST', ':path': '/token', ...type }, { endStream: false })
    stream.on('error', () => undefined)
    stream.resume()
    // Nothing but a connection, without the handshake that has to come.
    const silent = await openRaw(secure.port)
    const timers = [headers, body, { socket: secured }, { socket: stream }].map(dribbled)

    const times = await Promise.all([
      seconds(headers.closed),
      seconds(body.closed),
      seconds(resting.closed),
      seconds(ended(secured)),
      seconds(ended(stream)),
      seconds(silent.closed),
    ])
    for (const timer of timers) clearInterval(timer)
    const limits = [1, 1.5, 0.5, 1.5, 1.5, 1]
    for (const [at, limit] of limits.entries()) {
      expect([at, (times[at] ?? 0) > limit - 0.2]).toEqual([at, true])
      expect([at, (times[at] ?? 0) < limit + 5]).toEqual([at, true])
    }
    expect(statusesOf(headers.received())).toEqual([408])
    session.destroy()
    await Promise.all([listening.close(0), secure.close(0)])
    await site.end()
  })
})

describe('closing', () => {
  it('lets a request in flight finish, takes no new one, and is done then', async () => {
    const site = await install()
    const { port, listening } = await serve(site)
    const [inFlight, resting] = [
      await openRaw(port, head(tokenBody.length) + tokenBody.slice(0, 5)),
      await openRaw(port, live),
    ]
    await resting.until(/"live"/)
    const since = performance.now()
    const closing = listening.close(20_000)
    await resting.closed
    await expect(openRaw(port)).rejects.toThrow('not connected')
    inFlight.socket.write(tokenBody.slice(5))
    expect(await inFlight.until(/access_token/)).toMatch(/^HTTP\/1\.1 200 /)
    await Promise.all([inFlight.closed, closing])
    // Not the 5 s for which a connection may rest.
    expect(performance.now() - since).toBeLessThan(4_000)
    await site.end()
  })

  it('cuts what has not finished by the limit', async () => {
    const site = await install()
    const { port, listening } = await serve(site)
    const stuck = await openRaw(port, head(tokenBody.length))
    await listening.close(100)
    expect(await stuck.closed).toBe('')
    await site.end()
  })

  it.each(['http/1.1', 'h2'])('does both for %s, too', async (protocol) => {
    const site = await install()
    const secure = await listen(site.server, { port: 0, hosts: ['127.0.0.1'], tls: makeSelfSignedCertificate() })
    const socket = connectTls({
      port: secure.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: [protocol],
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    if (protocol === 'http/1.1') {
      socket.write(head(100))
    } else {
      const session = connectHttp2('https://127.0.0.1', { createConnection: () => socket })
      session.on('error', () => undefined)
      session.request({ ':method': 'POST', ':path': '/token' }, { endStream: false }).on('error', () => undefined)
    }
    const closed = ended(socket)
    await secure.close(300)
    await closed
    await site.end()
  })
})

describe('TLS', () => {
  let site: Installation
  let port: number
  let close: (limitMs: number) => Promise<void>
  beforeAll(async () => {
    site = await install()
    const listening = await listen(site.server, { port: 0, hosts: ['127.0.0.1'], tls: makeSelfSignedCertificate() })
    port = listening.port
    close = listening.close
  })
  afterAll(async () => {
    await close(0)
    await site.end()
  })
  const connection = (more: object) => ({ port, host: '127.0.0.1', rejectUnauthorized: false, ...more })
  const form = encodeForm({ grant_type: 'client_credentials' })
  const headers = { ...basic('service'), 'content-type': 'application/x-www-form-urlencoded' }

  it('serves HTTP/2 [RFC 6750 §5.2(a), RFC 7662 §4(f)]', async () => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const stream = session.request({ ':method': 'POST', ':path': '/token', ...headers }, { endStream: false })
    stream.end(form)
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    expect([answer[':status'], answer['cache-control'], answer['pragma']]).toEqual([200, 'no-store', 'no-cache'])
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ token_type: 'Bearer' })
    const { maxConcurrentStreams, maxHeaderListSize } = session.remoteSettings
    expect([maxConcurrentStreams, maxHeaderListSize]).toEqual([100, 16_384])
    await new Promise<void>((resolve) => session.close(resolve))
  })

  it('answers a hundred requests on one connection of HTTP/2', async () => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const ask = async (path: string): Promise<unknown> => {
      const stream = session.request({ ':path': path })
      stream.resume()
      const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
      return answer[':status']
    }
    const asked = Array.from({ length: 100 }, (_, at) => ask(['/live', '/jwks', '/nothing', '/token'][at % 4] ?? ''))
    const statuses = await Promise.all(asked)
    expect(statuses).toEqual(Array.from({ length: 100 }, (_, at) => [200, 200, 404, 405][at % 4]))
    await new Promise<void>((resolve) => session.close(resolve))
  })

  it('refuses bodies that are too long on HTTP/2, too [RFC 7009 §5(a)]', async () => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    const stream = session.request({ ':method': 'POST', ':path': '/token', ...headers }, { endStream: false })
    stream.on('error', () => undefined)
    stream.end(`${form}&x=${'x'.repeat(70_000)}`)
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(answer[':status']).toBe(413)
    session.destroy()
  })

  it('falls back to HTTP/1.1 [RFC 6750 §5.2(a)]', async () => {
    const request = secureRequest({
      ...connection({ path: '/token', method: 'POST', headers, ALPNProtocols: ['http/1.1'] }),
    })
    request.end(form)
    const [response] = await once(request, 'response')
    expect([response.httpVersion, response.statusCode]).toEqual(['1.1', 200])
    response.destroy()
  })

  it('hears an Authorization header once on HTTP/1.1, too [RFC 6749 §2.3(a)]', async () => {
    const socket = connectTls(connection({ ALPNProtocols: ['http/1.1'] }))
    await once(socket, 'secureConnect')
    const twice = `Authorization: ${basic('rival').authorization}\r\nConnection: close\r\n`
    socket.write(head(tokenBody.length, twice) + tokenBody)
    let received = ''
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString()
    })
    await ended(socket)
    expect(statusesOf(received)).toEqual([401])
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is spoken as %s [RFC 7662 §4(f)]', async (version) => {
    const socket = connectTls(connection({ minVersion: version, maxVersion: version }))
    await once(socket, 'secureConnect')
    expect(socket.getProtocol()).toBe(version)
    socket.destroy()
  })

  it.each(['TLSv1', 'TLSv1.1'] as const)('is never spoken as %s [RFC 7662 §4(f)]', async (version) => {
    const socket = connectTls(connection({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }))
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toMatch(/ALERT|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE/)
  })

  it('answers nothing in the clear', async () => {
    const plain = await openRaw(port, live)
    expect(await plain.closed).not.toContain('live')
  })

  it('closes a stream that the other end abandons, and goes on', async () => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const before = site.journal.length
    const stream = session.request({ ':method': 'POST', ':path': '/token', ...headers }, { endStream: false })
    stream.on('error', () => undefined)
    stream.write('grant_type=')
    await new Promise<void>((resolve) => session.ping(() => resolve()))
    stream.close(constants.NGHTTP2_CANCEL)
    await expect.poll(() => site.journal.length).toBe(before + 1)
    expect(site.journal.at(-1)?.reason).toBe('request.malformed')
    expect((await ownToken(site)).status).toBe(200)
    session.destroy()
  })
})

describe('the peer', () => {
  /** A server that answers with the address that it was told. */
  const mirror: Pick<AuthorizationServer, 'handle'> = { handle: (_request, { address }) => new Response(address) }

  async function seen(
    forwarded: readonly string[],
    trustedProxies?: readonly string[],
    host = '127.0.0.1',
  ): Promise<string> {
    const listening = await listen(mirror, { port: 0, hosts: [host], trustedProxies })
    const lines = forwarded.map((value) => `X-Forwarded-For: ${value}\r\n`).join('')
    const { closed } = await openRaw(listening.port, `GET / HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`)
    const received = await closed
    await listening.close(0)
    expect(received).toMatch(/^HTTP\/1\.1 200 /)
    return received.slice(received.indexOf('\r\n\r\n') + 4)
  }

  it('is the other end of the connection, whatever it says, where no proxy is named', async () => {
    expect(await seen([])).toBe('127.0.0.1')
    expect(await seen(['203.0.113.9'])).toBe('127.0.0.1')
    expect(await seen(['203.0.113.9'], [])).toBe('127.0.0.1')
    expect(await seen(['203.0.113.9'], ['10.0.0.1'])).toBe('127.0.0.1')
  })

  it.each([
    ['one address', ['203.0.113.9'], '203.0.113.9'],
    ['one of IPv6', ['2001:db8::9'], '2001:db8::9'],
    ['one of IPv4 inside IPv6', ['::ffff:203.0.113.9'], '203.0.113.9'],
    ['an invented one in front', ['198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    ['an invented proxy in front', ['10.1.1.1, 203.0.113.9'], '203.0.113.9'],
    ['a second proxy behind', ['198.51.100.1, 203.0.113.9, 10.1.1.1'], '203.0.113.9'],
    ['two headers', ['198.51.100.1', '203.0.113.9, 10.1.1.1'], '203.0.113.9'],
    ['nothing but proxies', ['10.2.2.2, 10.1.1.1'], '10.2.2.2'],
    ['nothing', [], '127.0.0.1'],
    ['an empty one', [''], '127.0.0.1'],
    ['no address', ['unknown'], '127.0.0.1'],
    ['no address in front of a proxy', ['unknown, 10.1.1.1'], '10.1.1.1'],
    ['an address with a port', ['203.0.113.9:4711'], '127.0.0.1'],
    ['an address in brackets', ['[2001:db8::9]'], '127.0.0.1'],
    ['script', ['<script>, 203.0.113.9'], '203.0.113.9'],
  ] as const)('behind trusted proxies is the last that they saw: with %s', async (_, forwarded, address) => {
    expect(await seen(forwarded, ['127.0.0.1', '10.0.0.0/8'])).toBe(address)
  })

  it('is the same for a proxy of IPv6', async () => {
    expect(await seen(['2001:db8::9, 2001:db8:1::1'], ['127.0.0.0/8', '2001:db8:1::/48'])).toBe('2001:db8::9')
  })
})

const outward = Object.values(networkInterfaces())
  .flat()
  .find((each) => each !== undefined && !each.internal && each.family === 'IPv4')?.address

describe.skipIf(outward === undefined)('without TLS, a peer that is not this machine by its address', () => {
  const host = outward ?? ''

  async function received(
    trustedProxies: readonly string[] | undefined,
  ): Promise<readonly [string, readonly string[]]> {
    const strangers: string[] = []
    const onStranger = (address: string): void => void strangers.push(address)
    const server = { handle: () => new Response('here') }
    const listening = await listen(server, { port: 0, hosts: [host], trustedProxies, onStranger })
    const socket = connect(listening.port, host)
    socket.on('error', () => undefined)
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await ended(socket)
    await listening.close(0)
    return [text, strangers]
  }

  it.each([
    ['no proxy is named', undefined],
    ['another proxy is named', ['203.0.113.7']],
  ])('is cut off before it is answered where %s [RFC 6750 §5.2(a)]', async (_, proxies) => {
    expect(await received(proxies)).toEqual(['', [host]])
  })

  it('is answered where it is named itself', async () => {
    const [text, strangers] = await received([host])
    expect([text.slice(0, 12), strangers]).toEqual(['HTTP/1.1 200', []])
  })
})

describe('binding', () => {
  const make = () => ({ handle: () => new Response('here') })

  it('takes one free port on several addresses', async () => {
    const listening = await listen(make(), { port: 0, hosts: ['127.0.0.1', '127.0.0.2'] })
    for (const host of ['127.0.0.1', '127.0.0.2'])
      expect(await (await fetch(`http://${host}:${listening.port}/`)).text()).toBe('here')
    await listening.close(0)
  })

  it('leaves out an address that this machine lacks, but not the first', async () => {
    const listening = await listen(make(), { port: 0, hosts: ['127.0.0.1', '192.0.2.77'] })
    await listening.close(0)
    await expect(listen(make(), { port: 0, hosts: ['192.0.2.77'] })).rejects.toThrow('EADDRNOTAVAIL')
  })

  it('fails when the port is taken', async () => {
    const listening = await listen(make(), { port: 0, hosts: ['127.0.0.1'] })
    await expect(listen(make(), { port: listening.port, hosts: ['127.0.0.1'] })).rejects.toThrow('EADDRINUSE')
    await listening.close(0)
  })

  it('serves what else a process has, in the same way', async () => {
    const { createServer } = await import('node:http')
    const bound = await bindAll(() => createServer((_, response) => response.end('else')), 0, ['127.0.0.1'])
    expect(await (await fetch(`http://127.0.0.1:${bound.port}/`)).text()).toBe('else')
    await bound.close(0)
  })
})

describe('a token', () => {
  it('got by a socket is as good as any', async () => {
    const site = await install()
    const { listening, send } = await serve(site)
    const reply = await send('/token', {
      method: 'POST',
      body: tokenBody,
      headers: { ...basic('service'), 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(await isActive(site, tokensOf(reply).access)).toBe(true)
    await listening.close(0)
    await site.end()
  })
})
