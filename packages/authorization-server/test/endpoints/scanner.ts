import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LeakReporter } from '@arctos/authorization-server'
import type { Installation, Reply } from './installation.ts'

/** A server on loopback that counts what it is asked. */
export interface LocalServer {
  readonly url: string
  readonly requests: readonly ReceivedRequest[]
  readonly close: () => Promise<void>
}

export interface ReceivedRequest {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export async function serveLocally(
  answer: (request: ReceivedRequest, response: ServerResponse) => void,
): Promise<LocalServer> {
  const requests: ReceivedRequest[] = []
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => {
      body += chunk
    })
    incoming.on('end', () => {
      const request = { headers: incoming.headers, body }
      requests.push(request)
      answer(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A scanner that publishes a key, and signs what it finds. */
export interface Scanner extends LocalServer {
  readonly reporter: LeakReporter
  /** The headers under which it sends a body. */
  readonly sign: (body: string) => Readonly<Record<string, string>>
  /** Reports tokens, each found at an address of its own. */
  readonly report: (site: Installation, tokens: readonly string[]) => Promise<Reply>
  /** Sends a body as it is, under changed headers. */
  readonly send: (site: Installation, body: string, headers?: Readonly<Record<string, string>>) => Promise<Reply>
}

export const scannerKeyId = 'key-1'

export async function startScanner(key = newKey()): Promise<Scanner> {
  const server = await serveLocally((_request, response) => {
    response.setHeader('content-type', 'application/json').end(keyList(key))
  })
  const send: Scanner['send'] = (site, body, headers = {}) =>
    site.send('/leaks', { method: 'POST', body, headers: { ...signedHeaders(body, key), ...headers } })
  return {
    ...server,
    reporter: { name: 'scanner', keysUrl: server.url },
    sign: (body) => signedHeaders(body, key),
    send,
    report: (site, tokens) =>
      send(
        site,
        JSON.stringify(
          tokens.map((token, at) => ({ token, type: 'arctos', url: `https://code.example/${at}`, source: 'commit' })),
        ),
      ),
  }
}

export function newKey(curve = 'P-256'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: curve }).privateKey
}

export function signedHeaders(
  body: string,
  key: KeyObject,
  identifier = scannerKeyId,
): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    'github-public-key-identifier': identifier,
    'github-public-key-signature': sign('sha256', Buffer.from(body), key).toString('base64'),
  }
}

/** What GitHub answers at the address of its keys. */
export function keyList(...keys: readonly KeyObject[]): string {
  const published = keys.map((key, at) => ({
    key_identifier: `key-${at + 1}`,
    key: publicPem(key),
    is_current: at === keys.length - 1,
  }))
  return JSON.stringify({ public_keys: published })
}

function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}
