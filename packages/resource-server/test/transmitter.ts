import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { deflateSync } from 'node:zlib'
import { vi } from 'vitest'
import type { ResourceServerOptions, RevocationFeedStatus } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, type IssuerKey, makeKey, resource, sendJson, signAnything, startIssuer } from './issuer.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'
export const types = {
  revoked: `${caep}session-revoked`,
  claims: `${caep}token-claims-change`,
  credential: `${caep}credential-change`,
  key: 'urn:arctos:event-type:key-withdrawn',
  verification: `${ssf}verification`,
  updated: `${ssf}stream-updated`,
} as const

/** What an event says; what is left out is right. */
export interface Told {
  readonly type?: string
  readonly subject?: unknown
  readonly members?: Readonly<Record<string, unknown>>
  /** Over the claims that would be right; `undefined` takes one away. */
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: IssuerKey
  /** Its number is given away, but it is never delivered. */
  readonly isLost?: boolean
}

interface LoggedEvent {
  readonly jti: string
  readonly set: string
}

interface FakeStream {
  readonly id: string
  readonly delivery: { readonly method: string; readonly endpoint_url?: string; readonly authorization_header?: string }
  readonly unacknowledged: Map<string, string>
  status: number
}

/** A strict small transmitter of security events, on real HTTP; its behaviour is set from outside, at any time. */
export interface Transmitter {
  readonly issuer: Issuer
  readonly key: IssuerKey
  readonly streams: Map<string, FakeStream>
  /** What receivers did that they may not. */
  readonly complaints: string[]
  /** Bodies of the polls that came, the latest last. */
  readonly polls: Record<string, unknown>[]
  readonly counts: { tokens: number; snapshots: number; refusedEvents: string[]; verifications: string[] }
  epoch: number
  head: number
  /** The lines of the next snapshots. */
  lines: unknown[]
  /** While set, every question about streams gets this status, with these headers. */
  cut: { readonly status: number; readonly headers?: Record<string, string> } | undefined
  /** Whether metadata speaks of snapshots, and answers of epoch and head. */
  isNumbered: boolean
  /** Changes what a poll is answered. */
  alterPoll: ((answer: Record<string, unknown>) => Record<string, unknown>) | undefined
  /** Changes what a snapshot is answered: its claims, header and body. */
  alterSnapshot: ((snapshot: FakeSnapshot) => FakeSnapshot) | undefined
  /** Numbers and signs an event, and puts it before every stream. */
  tell(event: Told): LoggedEvent
  /** Signs one without number or delivery. */
  sign(event: Told): LoggedEvent
  /** Puts what was signed before every stream, again, or as it is. */
  deliver(event: LoggedEvent): void
  guard(options?: Options): Guard
  synced(guard: Guard): Promise<void>
  /** Takes this access token, too. */
  acceptToken(token: string): void
  /** Has streams that are pushed told that nothing happened. */
  heartbeat(): void
  /** Takes no access token any more that was given out. */
  forgetTokens(): void
  close(): Promise<void>
}

export interface FakeSnapshot {
  readonly claims: Record<string, unknown>
  readonly header: Record<string, unknown>
  readonly key: IssuerKey
  readonly body: Buffer
}

type Options = Partial<ResourceServerOptions<{ read: string; write: string }>> & { readonly feed?: object }

export const soon = { timeout: 10_000, interval: 3 }
const holdMs = 100

/** How long requests wait: for the first synchronisation, and for news after a sleep. */
const patience: readonly number[] = [3_000, 250]

/** Lets time pass for a guard, but for requests that wait: they have all the patience there is, however slow this machine is. */
export function patiently(milliseconds: number): Promise<void> {
  const isWaiting = patience.includes(milliseconds)
  return new Promise((resolve) => setTimeout(resolve, isWaiting ? soon.timeout : milliseconds).unref())
}

/** @param now epoch milliseconds */
export async function startTransmitter(now = Date.now): Promise<Transmitter> {
  const issuer = await startIssuer()
  const key = makeKey('RS256', 'events-1')
  const tokens = new Set<string>()
  const guards: Guard[] = []
  let pushing = Promise.resolve()
  let cut: Transmitter['cut']
  let wake: () => void = () => {}
  let woken = new Promise<void>((resolve) => {
    wake = resolve
  })
  const news = (): void => {
    wake()
    woken = new Promise((resolve) => {
      wake = resolve
    })
  }

  const signed = ({
    type = types.revoked,
    subject,
    members = {},
    claims = {},
    header = {},
    key: signer = key,
  }: Told) => {
    const jti = randomBytes(9).toString('base64url')
    const usual = {
      iss: issuer.issuer,
      aud: resource,
      iat: Math.floor(now() / 1_000),
      jti,
      sub_id: subject,
      events: { [type]: members },
    }
    const payload = JSON.stringify({ ...usual, ...claims })
    return {
      jti,
      set: signAnything({ alg: signer.algorithm, kid: signer.kid, typ: 'secevent+jwt', ...header }, payload, signer),
    }
  }

  const self: Transmitter = {
    issuer,
    key,
    streams: new Map(),
    complaints: [],
    polls: [],
    counts: { tokens: 0, snapshots: 0, refusedEvents: [], verifications: [] },
    epoch: 1,
    head: 100,
    lines: [],
    get cut() {
      return cut
    },
    set cut(value) {
      cut = value
      news()
    },
    isNumbered: true,
    alterPoll: undefined,
    alterSnapshot: undefined,
    tell(event) {
      const prev = self.head
      self.head += 1
      const order = self.isNumbered ? { epoch: self.epoch, seq: self.head, prev } : {}
      const logged = signed({ ...event, members: { ...order, ...event.members } })
      if (event.isLost !== true) self.deliver(logged)
      return logged
    },
    sign: signed,
    deliver({ jti, set }) {
      for (const stream of self.streams.values()) {
        stream.unacknowledged.set(jti, set)
        push(stream)
      }
      news()
    },
    guard({ feed = {}, ...options } = {}) {
      const revocations = { clientId: 'notes-api', clientSecret: 'secret', ...feed }
      const guard = guardOf(issuer, { revocations, wait: patiently, ...options })
      guards.push(guard)
      return guard
    },
    synced: (guard) =>
      vi.waitFor(() => {
        const status = guard.revocationStatus()[0]
        if (status?.ageSeconds === undefined) throw new Error(`not synced: ${status?.problem}`)
      }, soon),
    forgetTokens: () => tokens.clear(),
    acceptToken: (token) => void tokens.add(token),
    heartbeat() {
      for (const { id } of self.streams.values()) {
        const log = { epoch: self.epoch, head: self.head, as_of: now() / 1_000 }
        self.deliver(signed({ type: types.verification, subject: { format: 'opaque', id }, members: log }))
      }
    },
    async close() {
      await Promise.all(guards.map((guard) => guard.close()))
      await issuer.close()
    },
  }

  const metadata = (): object => ({
    issuer: issuer.issuer,
    jwks_uri: `${issuer.issuer}/ssf/jwks`,
    configuration_endpoint: `${issuer.issuer}/ssf/streams`,
    verification_endpoint: `${issuer.issuer}/ssf/verify`,
    critical_subject_members: ['actor', 'robot'],
    ...(self.isNumbered ? { arctos_snapshot_endpoint: `${issuer.issuer}/ssf/snapshot` } : {}),
  })

  /** Who may not, is told so, and it is remembered where our own guard should have known better. */
  const entered = (request: IncomingMessage, response: ServerResponse, method: string): boolean => {
    if (self.cut !== undefined) {
      response.writeHead(self.cut.status, self.cut.headers).end()
      return false
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    if (!tokens.has(token)) {
      response.writeHead(401).end()
      return false
    }
    if (request.method !== method) self.complaints.push(`${request.method} ${request.url}`)
    return true
  }

  const poll = (stream: FakeStream) => async (request: IncomingMessage, response: ServerResponse) => {
    const body = await jsonOf(request)
    self.polls.push(body)
    if (!entered(request, response, 'POST')) return
    for (const jti of [...(body['ack'] as string[]), ...Object.keys(body['setErrs'] as object)]) {
      stream.unacknowledged.delete(jti)
    }
    for (const { err } of Object.values(body['setErrs'] as Record<string, { err: string }>)) {
      self.counts.refusedEvents.push(err)
    }
    const mayWait = body['returnImmediately'] !== true && stream.unacknowledged.size === 0
    if (mayWait) {
      const timer = new AbortController()
      const late = new Promise((resolve) => setTimeout(resolve, holdMs).unref())
      await Promise.race([woken, late, once(request.socket, 'close', { signal: timer.signal }).catch(() => {})])
      timer.abort()
    }
    if (self.cut !== undefined) return void response.writeHead(self.cut.status, self.cut.headers).end()
    if (!self.streams.has(stream.id)) return void response.writeHead(404).end()
    const all = [...stream.unacknowledged]
    const sets = all.slice(0, body['maxEvents'] as number)
    const answer = {
      sets: Object.fromEntries(sets),
      moreAvailable: all.length > sets.length,
      ...(self.isNumbered ? { epoch: self.epoch, head: self.head, as_of: now() / 1_000 } : {}),
    }
    sendJson(response, self.alterPoll?.(answer) ?? answer)
  }

  /** Pushes what is there, one after another; failures are the receiver's loss here. */
  const push = ({ delivery, unacknowledged }: FakeStream): void => {
    const { endpoint_url: url, authorization_header: authorization = '' } = delivery
    if (url === undefined) return
    const sets = [...unacknowledged.values()]
    unacknowledged.clear()
    pushing = pushing.then(async () => {
      for (const body of sets) {
        const headers = { authorization, 'content-type': 'application/secevent+jwt' }
        await fetch(url, { method: 'POST', headers, body }).then(
          (response) => response.text(),
          () => '',
        )
      }
    })
  }

  const snapshot = (request: IncomingMessage, response: ServerResponse): void => {
    if (!entered(request, response, 'GET')) return
    self.counts.snapshots += 1
    const body = deflateSync(self.lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const claims = {
      iss: issuer.issuer,
      aud: resource,
      iat: Math.floor(now() / 1_000),
      epoch: self.epoch,
      head: self.head,
      as_of: now() / 1_000,
      entries: self.lines.length,
      digest: createHash('sha256').update(body).digest('base64url'),
    }
    const header = { alg: 'RS256', kid: key.kid, typ: 'revocation-snapshot+jwt' }
    const right = { claims, header, key, body }
    const sent = self.alterSnapshot?.(right) ?? right
    response.writeHead(200, {
      'content-type': 'application/vnd.arctos.revocations',
      'arctos-snapshot': signAnything(sent.header, JSON.stringify(sent.claims), sent.key),
    })
    response.end(sent.body)
  }

  const create = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { delivery, events_requested: requested } = await jsonOf(request)
    if (!entered(request, response, 'POST')) return
    const id = `stream-${self.streams.size + 1}-${randomBytes(3).toString('hex')}`
    const stream = { id, delivery: delivery as FakeStream['delivery'], unacknowledged: new Map(), status: 200 }
    self.streams.set(id, stream)
    issuer.answers.set(`/ssf/poll/${id}`, poll(stream))
    issuer.answers.set(`/ssf/snapshot?stream_id=${id}`, snapshot)
    issuer.answers.set(`/ssf/streams?stream_id=${id}`, (asked, answer) => {
      if (!entered(asked, answer, 'DELETE')) return
      self.streams.delete(id)
      news()
      answer.writeHead(204).end()
    })
    const pollAt = { method: 'urn:ietf:rfc:8936', endpoint_url: `${issuer.issuer}/ssf/poll/${id}` }
    const answer = {
      stream_id: id,
      iss: issuer.issuer,
      aud: resource,
      events_requested: requested,
      events_delivered: requested,
      delivery: stream.delivery.method === pollAt.method ? pollAt : stream.delivery,
    }
    sendJson(response, answer, {}, 201)
  }

  const verify = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { stream_id: id, state } = await jsonOf(request)
    if (!entered(request, response, 'POST')) return
    self.counts.verifications.push(String(state))
    const event = signed({ type: types.verification, subject: { format: 'opaque', id }, members: { state } })
    const stream = self.streams.get(String(id))
    if (stream === undefined) return void response.writeHead(404).end()
    response.writeHead(204).end()
    stream.unacknowledged.set(event.jti, event.set)
    push(stream)
    news()
  }

  issuer.answers.set('/.well-known/oauth-authorization-server', (_request, response) => {
    const { issuer: name, jwksUri } = issuer
    const endpoints = { token_endpoint: `${name}/token`, introspection_endpoint: `${name}/introspect` }
    sendJson(response, { issuer: name, jwks_uri: jwksUri, ...endpoints })
  })
  issuer.answers.set('/.well-known/ssf-configuration', (_request, response) => sendJson(response, metadata()))
  issuer.answers.set('/ssf/jwks', (_request, response) => sendJson(response, { keys: [key.jwk] }))
  issuer.answers.set('/ssf/streams', create)
  issuer.answers.set('/ssf/verify', verify)
  issuer.answers.set('/token', async (request, response) => {
    const form = new URLSearchParams(await textOf(request))
    const isRight = form.get('grant_type') === 'client_credentials' && form.get('resource') === `${issuer.issuer}/ssf`
    if (!isRight || request.headers.authorization !== `Basic ${Buffer.from('notes-api:secret').toString('base64')}`) {
      return sendJson(response, { error: 'invalid_client' }, {}, 401)
    }
    self.counts.tokens += 1
    const token = randomBytes(9).toString('base64url')
    tokens.add(token)
    sendJson(response, { access_token: token, token_type: 'Bearer', expires_in: 600, scope: form.get('scope') })
  })
  return self
}

export function statusOf(guard: Guard): RevocationFeedStatus {
  const [status] = guard.revocationStatus()
  if (status === undefined) throw new Error('no feed')
  return status
}

/** Waits until events of this result and reason were counted. */
export async function counted(guard: Guard, name: string, least = 1): Promise<void> {
  await vi.waitFor(() => {
    const { events } = statusOf(guard)
    if ((events[name] ?? 0) < least) throw new Error(`${name} is not among ${JSON.stringify(events)}`)
  }, soon)
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

async function jsonOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = await textOf(request)
  return text === '' ? {} : JSON.parse(text)
}
