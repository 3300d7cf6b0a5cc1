import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { BlockList, isIPv6 } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { AuthorizationServer } from './authorization-server.ts'

export interface ListenOptions {
  readonly port: number
  /** Addresses to listen on; all must take the same port. */
  readonly hosts: readonly string[]
  /** PEM; with it the server speaks TLS, HTTP/2 with fallback to HTTP/1.1. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Proxies whose `X-Forwarded-For` is believed, as addresses or CIDR ranges. */
  readonly trustedProxies?: readonly string[] | undefined
}

export interface Listening {
  readonly port: number
  /** Takes no more connections, lets requests in flight finish, and cuts what is left after the limit. */
  readonly close: (limitMs: number) => Promise<void>
}

// A slow sender holds a connection this long at the most; Node's own limits are minutes.
const timeouts = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}
const headerByteLimit = 16_384

/** Serves an authorization server on real sockets. */
export async function listen(server: Pick<AuthorizationServer, 'handle'>, options: ListenOptions): Promise<Listening> {
  const proxies = proxyList(options.trustedProxies ?? [])
  const listener = getRequestListener(
    (request, env) => {
      const { incoming } = env as unknown as { incoming: IncomingMessage }
      return server.handle(request, { address: peerAddress(incoming, proxies) }, incoming.url ?? '/')
    },
    // The global Request and Response stay as the platform made them: we share the process with others.
    { overrideGlobalObjects: false },
  )
  const make = (): NodeServer =>
    options.tls === undefined
      ? createServer(
          { ...timeouts, maxHeaderSize: headerByteLimit },
          (incoming, outgoing) => void listener(incoming, outgoing),
        )
      : createSecureServer(
          { ...options.tls, allowHTTP1: true, minVersion: 'TLSv1.2', ...timeouts },
          (incoming, outgoing) => void listener(incoming as never, outgoing as never),
        )

  return await bindAll(make, options.port, options.hosts)
}

/**
 * Binds one server on each address, all on one port. An address that this machine does not have (no IPv6, say) is left out, as
 * long as the first one is there.
 */
export async function bindAll(
  make: () => NodeServer,
  wantedPort: number,
  hosts: readonly string[],
): Promise<Listening> {
  const servers: NodeServer[] = []
  let port = wantedPort
  for (const host of hosts) {
    const server = make()
    try {
      port = await bind(server, port, host)
      servers.push(server)
    } catch (error) {
      if (servers.length === 0 || !isMissingAddress(error)) throw error
    }
  }
  return {
    port,
    close: async (limitMs) => {
      await Promise.all(servers.map((bound) => closeServer(bound, limitMs)))
    },
  }
}

function isMissingAddress(error: unknown): boolean {
  return ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(String((error as { code?: unknown }).code))
}

type NodeServer = Server | Http2SecureServer

function bind(server: NodeServer, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closeServer(server: NodeServer, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const connections = server as { closeIdleConnections?: () => void; closeAllConnections?: () => void }
    const cut = setTimeout(() => connections.closeAllConnections?.(), limitMs)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    connections.closeIdleConnections?.()
  })
}

function proxyList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** Who is asking: the connection's other end, or the last address that a trusted proxy saw and that is not a proxy itself. */
function peerAddress(incoming: IncomingMessage, proxies: BlockList): string {
  const trusted = (address: string): boolean => proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  let address = (incoming.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  if (address === '' || !trusted(address)) return address
  const forwarded = String(incoming.headers['x-forwarded-for'] ?? '').split(',')
  for (const hop of forwarded.reverse()) {
    const next = hop.trim()
    if (next === '') break
    address = next
    if (!trusted(next)) break
  }
  return address
}
