import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installation, install } from './installation.ts'
import { openRaw, type Served, serve, statusesOf } from './raw-http.ts'

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

const start = 'POST /token HTTP/1.1\r\nHost: issuer.example\r\nContent-Type: application/x-www-form-urlencoded\r\n'
/** What an attacker wants to be taken for a request of somebody else. */
const smuggled = 'GET /live HTTP/1.1\r\nHost: issuer.example\r\n\r\n'
const chunked = `0\r\n\r\n${smuggled}`
const long = `${smuggled}`

const shapes: readonly (readonly [string, string])[] = [
  ['a length and chunks', `${start}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`],
  ['chunks and a length', `${start}Transfer-Encoding: chunked\r\nContent-Length: ${chunked.length}\r\n\r\n${chunked}`],
  ['two lengths that differ', `${start}Content-Length: 0\r\nContent-Length: ${long.length}\r\n\r\n${long}`],
  ['two lengths that agree', `${start}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${long}`],
  ['a list of lengths', `${start}Content-Length: 0, ${long.length}\r\n\r\n${long}`],
  ['a length with a sign', `${start}Content-Length: +0\r\n\r\n${long}`],
  ['a negative length', `${start}Content-Length: -1\r\n\r\n${long}`],
  ['a length in hexadecimal', `${start}Content-Length: 0x0\r\n\r\n${long}`],
  ['a length with a space inside', `${start}Content-Length: 1 0\r\n\r\n${long}`],
  ['an endless length', `${start}Content-Length: 99999999999999999999\r\n\r\n${long}`],
  ['an empty length', `${start}Content-Length:\r\n\r\n${long}`],
  ['a space before the colon', `${start}Content-Length : 0\r\n\r\n${long}`],
  ['a space before the colon of the encoding', `${start}Transfer-Encoding : chunked\r\n\r\n${chunked}`],
  ['an unknown encoding', `${start}Transfer-Encoding: xchunked\r\n\r\n${chunked}`],
  ['chunks that are not last', `${start}Transfer-Encoding: chunked, identity\r\n\r\n${chunked}`],
  ['chunks twice', `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`],
  ['an encoding behind a fold', `${start}Transfer-Encoding:\r\n chunked\r\n\r\n${chunked}`],
  ['a fold', `${start}X-Fold: a\r\n b\r\nContent-Length: 0\r\n\r\n${long}`],
  ['bare line feeds', `${start.replaceAll('\r\n', '\n')}Content-Length: 0\n\n${long}`],
  ['a bare carriage return', `${start}X-Bare: a\rContent-Length: 0\r\n\r\n${long}`],
  ['a NUL', `${start}X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n${long}`],
  ['a control character in a name', `${start}X\x01: a\r\nContent-Length: 0\r\n\r\n${long}`],
  ['a line without a colon', `${start}nothing\r\nContent-Length: 0\r\n\r\n${long}`],
  ['an empty name', `${start}: a\r\nContent-Length: 0\r\n\r\n${long}`],
  ['no Host', `${start.replace('Host: issuer.example\r\n', '')}Content-Length: 0\r\n\r\n${long}`],
  ['two Hosts', `${start}Host: evil.example\r\nContent-Length: 0\r\n\r\n${long}`],
  ['a chunk of endless length', `${start}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${long}`],
  ['a chunk of negative length', `${start}Transfer-Encoding: chunked\r\n\r\n-1\r\n${long}`],
  ['a chunk whose length is a lie', `${start}Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n${long}`],
  ['another version', `${start.replace('1.1', '1.9')}Content-Length: 0\r\n\r\n${long}`],
  ['no version', `POST /token\r\n\r\n${long}`],
  ['lower case', `${start.replace('HTTP', 'http')}Content-Length: 0\r\n\r\n${long}`],
  ['a space in the target', `${start.replace('/token', '/token x')}Content-Length: 0\r\n\r\n${long}`],
  ['an unknown method', `${start.replace('POST', 'SMUGGLE')}Content-Length: 0\r\n\r\n${long}`],
]

describe('a request with', () => {
  it.each(shapes)('%s gets one answer at the most, and nothing behind it is a request', async (_, bytes) => {
    const connection = await openRaw(served.port, bytes)
    connection.socket.end()
    const statuses = statusesOf(await connection.closed)
    expect(statuses.length).toBeLessThanOrEqual(1)
    for (const status of statuses) expect([400, 401, 431, 505].includes(status), `status ${status}`).toBe(true)
    expect(connection.received()).not.toContain('live')
  })
})

describe('one connection', () => {
  const live = 'GET /live HTTP/1.1\r\nHost: issuer.example\r\n\r\n'

  it('answers a hundred requests that came at once, in their order', async () => {
    const paths = Array.from({ length: 100 }, (_, at) => ['/live', '/jwks', '/nothing', '/token'][at % 4] ?? '')
    const bytes = paths.map((path) => live.replace('/live', path)).join('')
    const connection = await openRaw(served.port, bytes.replace(/\r\n\r\n$/, '\r\nConnection: close\r\n\r\n'))
    const statuses = statusesOf(await connection.closed)
    expect(statuses).toEqual(paths.map((path) => ({ '/live': 200, '/jwks': 200, '/nothing': 404 })[path] ?? 405))
  })

  it('answers one request after the other', async () => {
    const connection = await openRaw(served.port, live)
    await connection.until(/"live"/)
    connection.socket.write(live.replace('Host', 'Connection: close\r\nHost'))
    expect(statusesOf(await connection.closed)).toEqual([200, 200])
  })

  it('that speaks HTTP/1.0 is answered, and closed', async () => {
    const connection = await openRaw(served.port, live.replace('1.1', '1.0'))
    expect(await connection.closed).toMatch(/^HTTP\/1\.1 200 [\s\S]*"live"/)
  })

  it('is not upgraded to anything', async () => {
    const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nHost'
    const connection = await openRaw(served.port, live.replace('Host', upgrade))
    expect(await connection.until(/"live"/)).toMatch(/^HTTP\/1\.1 200 /)
    connection.socket.destroy()
  })

  it('may ask before it sends, and is answered', async () => {
    const expecting = `${start}Expect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\n`
    const connection = await openRaw(served.port, expecting)
    await connection.until(/^HTTP\/1\.1 100 /)
    connection.socket.write('x')
    expect(statusesOf(await connection.closed)).toEqual([100, 401])
  })

  it('with an address of another host in its target gets nothing of it', async () => {
    const connection = await openRaw(
      served.port,
      'GET http://evil.example/.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    )
    const received = await connection.closed
    expect(statusesOf(received)).toEqual([404])
    expect(received).not.toContain('evil')
  })

  it.each(['evil.example', 'evil.example:80', '[::1]:4000', 'x'.repeat(200), '127.0.0.1'])(
    'that names the host %s gets the same metadata',
    async (host) => {
      const ask = async (name: string): Promise<string> => {
        const head = `GET /.well-known/openid-configuration HTTP/1.1\r\nHost: ${name}\r\nX-Forwarded-Host: ${name}\r\n`
        return await (await openRaw(served.port, `${head}Connection: close\r\n\r\n`)).closed
      }
      const body = (received: string): string => received.slice(received.indexOf('\r\n\r\n'))
      expect(body(await ask(host))).toBe(body(await ask('issuer.example')))
    },
  )
})

describe('a header', () => {
  const ask = async (line: string, path = '/live'): Promise<readonly number[]> =>
    statusesOf(
      await (await openRaw(served.port, `GET ${path} HTTP/1.1\r\nHost: x\r\n${line}Connection: close\r\n\r\n`)).closed,
    )

  it('of 15 KB is read, and one of 17 KB is not', async () => {
    expect(await ask(`X-Long: ${'x'.repeat(15_000)}\r\n`)).toEqual([200])
    expect(await ask(`X-Long: ${'x'.repeat(17_000)}\r\n`)).toEqual([431])
    expect(await ask(`X-Long: ${'x'.repeat(1_000_000)}\r\n`)).toEqual([431])
  })

  it('counts with its neighbours and the target', async () => {
    expect(await ask(Array.from({ length: 3_000 }, (_, at) => `X-${at}: x\r\n`).join(''))).toEqual([431])
    expect(await ask('', `/live?${'x'.repeat(100_000)}`)).toEqual([431])
  })

  it('that says who authenticates may be there once [RFC 6749 §2.3(a)]', async () => {
    const credentials = `Authorization: Basic ${Buffer.from('service:x').toString('base64')}\r\n`
    const body = 'grant_type=client_credentials'
    const bytes = `${start}${credentials}${credentials}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
    const received = await (await openRaw(served.port, bytes)).closed
    expect(statusesOf(received)).toEqual([401])
    const receipt = /arctos-receipt: (\S+)/i.exec(received)?.[1] ?? ''
    expect(site.server.context.receipts.open(receipt)?.reason).toBe('client.missing')
  })

  it('that says what the body is may be there once', async () => {
    const twice = 'Content-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx'
    const received = await (await openRaw(served.port, start + twice)).closed
    expect(statusesOf(received)).toEqual([400])
  })

  it('never tells what the server runs on', async () => {
    const received = await (await openRaw(served.port, smuggled.replace('Host', 'Connection: close\r\nHost'))).closed
    expect(received).not.toMatch(/^(server|x-powered-by):/im)
  })
})
