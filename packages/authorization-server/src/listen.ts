import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { constants, createSecureServer, type Http2SecureServer, type Http2ServerRequest } from 'node:http2'
import { type AddressInfo, BlockList, isIP, isIPv6, type Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { AuthorizationServer } from './authorization-server.ts'
import { programRequestOf, sendAnswer } from './node-message.ts'

export interface ListenOptions {
  readonly port: number
  /** Addresses to listen on; all must take the same port. */
  readonly hosts: readonly string[]
  /** PEM; with it the server speaks TLS, HTTP/2 with fallback to HTTP/1.1. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /**
   * Proxies whose `X-Forwarded-For` is believed, as addresses or CIDR ranges. Without TLS, nobody else may connect but this
   * machine: tokens and passwords do not go in clear past the proxy (RFC 6750 §5.2).
   */
  readonly trustedProxies?: readonly string[] | undefined
  /** Hears of a connection without TLS that was closed for where it came from. */
  readonly onStranger?: ((address: string) => void) | undefined
  /** How long a sender may take; only tests give others. */
  readonly timeouts?: Timeouts
}

/** In milliseconds, as Node calls them. */
export interface Timeouts {
  readonly headersTimeout: number
  /** For the whole request. */
  readonly requestTimeout: number
  /** For the next request on a connection. */
  readonly keepAliveTimeout: number
  /** How often the first two are looked at. */
  readonly connectionsCheckingInterval: number
}

export interface Listening {
  readonly port: number
  /** Takes no more connections, lets requests in flight finish, and cuts what is left after the limit. */
  readonly close: (limitMs: number) => Promise<void>
}

// A slow sender holds a connection this long at the most; Node's own limits are minutes.
const usualTimeouts: Timeouts = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}
const headerByteLimit = 16_384
/** Requests at once on one connection of HTTP/2. */
const streamLimit = 100

/** What is served: pages come as Fetch requests, and so does all else where `answerProgram` is missing. */
export type Served = Pick<AuthorizationServer, 'handle'> & Partial<Pick<AuthorizationServer, 'answerProgram'>>

/** Serves an authorization server on real sockets. */
export async function listen(server: Served, options: ListenOptions): Promise<Listening> {
  const { tls, timeouts = usualTimeouts } = options
  const proxies = options.trustedProxies === undefined ? undefined : proxyList(options.trustedProxies)
  const handlePage = getRequestListener(
    (request, env) => {
      const { incoming } = env as unknown as { incoming: IncomingMessage }
      return server.handle(request, { address: peerAddress(incoming, proxies) }, incoming.url ?? '/')
    },
    // The global Request and Response stay as the platform made them: we share the process with others.
    { overrideGlobalObjects: false },
  )
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    // RFC 9112 §3.2: nobody can say which of two hosts is meant.
    if (incoming.headers.host?.includes(',')) {
      outgoing.writeHead(400, { connection: 'close' }).end()
      return
    }
    if (incoming.httpVersionMajor === 2) limitTime(incoming as unknown as Http2ServerRequest, timeouts)
    const answer =
      incoming.httpVersionMajor === 1
        ? server.answerProgram?.(
            programRequestOf(incoming),
            { address: peerAddress(incoming, proxies) },
            incoming.url ?? '/',
          )
        : undefined
    if (answer === undefined) void handlePage(incoming, outgoing)
    else void sendAnswer(answer, incoming, outgoing)
  }
  const limits = { ...timeouts, maxHeaderSize: headerByteLimit, joinDuplicateHeaders: true }
  const make = (): NodeServer =>
    tls === undefined
      ? closeToStrangers(createServer(limits, listener), proxies, options.onStranger)
      : createSecureServer({ ...limits, ...secureLimits(timeouts), ...tls }, (incoming, outgoing) =>
          listener(incoming as never, outgoing as never),
        ).setTimeout(timeouts.requestTimeout)

  return await bindAll(make, options.port, options.hosts)
}

/** Ends a connection that is neither from this machine nor from a proxy that is named, before a byte of it is read. */
function closeToStrangers(
  server: Server,
  proxies: BlockList | undefined,
  onStranger: ListenOptions['onStranger'],
): Server {
  const loopback = proxyList(['127.0.0.0/8', '::1'])
  return server.on('connection', (socket: Socket) => {
    const address = remoteAddress(socket)
    if (isListed(loopback, address) || (proxies !== undefined && isListed(proxies, address))) return
    socket.destroy()
    onStranger?.(address)
  })
}

function secureLimits({ headersTimeout }: Timeouts) {
  return {
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    handshakeTimeout: headersTimeout,
    settings: { maxConcurrentStreams: streamLimit, maxHeaderListSize: headerByteLimit },
  } as const
}

/** HTTP/2 has no time limit of its own for a request whose sender keeps it alive by a byte now and then. */
function limitTime(incoming: Http2ServerRequest, { requestTimeout }: Timeouts): void {
  const cut = setTimeout(() => incoming.stream.close(constants.NGHTTP2_CANCEL), requestTimeout)
  incoming.once('end', () => clearTimeout(cut)).once('close', () => clearTimeout(cut))
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
  const servers: Bound[] = []
  const close = async (limitMs: number): Promise<void> => {
    await Promise.all(servers.map((bound) => closeServer(bound, limitMs)))
  }
  let port = wantedPort
  for (const host of hosts) {
    const server = make()
    try {
      port = await bind(server, port, host)
      servers.push({ server, sockets: trackSockets(server) })
    } catch (error) {
      if (servers.length > 0 && isMissingAddress(error)) continue
      await close(0)
      throw error
    }
  }
  return { port, close }
}

function isMissingAddress(error: unknown): boolean {
  return ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(String((error as { code?: unknown }).code))
}

type NodeServer = Server | Http2SecureServer

interface Bound {
  readonly server: NodeServer
  readonly sockets: ReadonlySet<Socket>
}

/** The open connections, whatever is spoken on them. */
function trackSockets(server: NodeServer): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function bind(server: NodeServer, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** How often connections are looked at whose last request was answered meanwhile. */
const drainIntervalMs = 50

function closeServer({ server, sockets }: Bound, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    // The secure server has it, too; its types do not know.
    const { closeIdleConnections } = server as Server
    const drain = setInterval(() => closeIdleConnections.call(server), drainIntervalMs)
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, limitMs)
    server.close(() => {
      clearInterval(drain)
      clearTimeout(cut)
      resolve()
    })
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

function remoteAddress(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

function isListed(list: BlockList, address: string): boolean {
  // A link-local address names its interface, which no list does.
  const plain = address.replace(/%.*$/, '')
  return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}

/**
 * Who is asking: the connection's other end, or the last address that a trusted proxy saw and that is not a proxy itself. What is
 * no address ends the search: the one that passed it on is then all that is known.
 */
function peerAddress(incoming: IncomingMessage, proxies: BlockList | undefined): string {
  let address = remoteAddress(incoming.socket)
  if (proxies === undefined) return address
  const hops = String(incoming.headers['x-forwarded-for'] ?? '').split(',')
  while (isListed(proxies, address)) {
    const hop = (hops.pop() ?? '').trim().replace(/^::ffff:(?=\d+\.)/i, '')
    if (isIP(hop) === 0) break
    address = hop
  }
  return address
}
