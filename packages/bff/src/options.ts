import { randomBytes } from 'node:crypto'
import type { OAuthClient, Session } from '@arctos/client'
import { isResourceIdentifier, type JsonObject, looksLikeCredential } from '@arctos/core'
import type { ProxiedApi, ProxyLimits } from './api-proxy.ts'
import { mayPass } from './proxied-headers.ts'
import { isBelow } from './proxied-path.ts'
import { type BffStore, memoryBffStore } from './store.ts'

export interface BffApi {
  /** The identifier of the API, for which it gets its tokens (RFC 8707 §2). */
  readonly resource: string
  /** Where calls go: the resource or a URL below it. By default the resource. */
  readonly baseUrl?: string
  /** By default `GET` and `HEAD`. */
  readonly methods?: readonly string[]
  /** Further headers of calls that the API gets, and of answers that pages get, beside the usual ones. */
  readonly requestHeaders?: readonly string[]
  readonly answerHeaders?: readonly string[]
}

export interface BffOptions {
  /** The client that is registered for this application: a confidential one (RFC 10017 §6.1.3.1), with `ORIGIN/bff/callback`. */
  readonly client: OAuthClient
  /** The application as browsers see it: `https://app.example.com`; http on loopback. */
  readonly origin: string
  /** The APIs that pages may call, by the path below which they find them: `{ '/api/notes': { resource } }`. Nothing else is called. */
  readonly apis: Readonly<Record<string, BffApi>>
  /** What to ask the user for; with `offline_access` the session outlives its first access token. */
  readonly scope?: string
  /** By default in memory: sessions end with the process. */
  readonly store?: BffStore
  /**
   * What pages may know of the user, asked once after the login, such as the answer of a profile API. Whatever looks like a token is
   * refused. Without it pages only learn that somebody is logged in.
   */
  readonly user?: (session: Session) => Promise<JsonObject>
  /** How long a session lives unused; an hour by default. */
  readonly idleSeconds?: number
  /** How long it lives at all; twelve hours by default. */
  readonly absoluteSeconds?: number
  /** Path of the endpoints; `/bff` by default. */
  readonly path?: string
  /** Longest bodies of calls (10 MB) and answers (100 MB), and longest wait for an answer and between its parts (30 s). */
  readonly limits?: Partial<ProxyLimits>
  /** Is told what went wrong; by default standard error is. Errors hold no token. */
  readonly report?: (what: string, error: unknown) => void
  /** Epoch milliseconds. */
  readonly now?: () => number
  readonly random?: (byteLength: number) => Uint8Array
}

const pathForm = /^(\/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+$/
const methodForm = /^(GET|HEAD|POST|PUT|PATCH|DELETE|QUERY)$/
const userLimit = 4_096

export function readOptions(options: BffOptions) {
  const {
    client,
    origin,
    scope,
    store = memoryBffStore(),
    path = '/bff',
    now = Date.now,
    random = randomBytes,
  } = options
  const { idleSeconds = 3_600, absoluteSeconds = 43_200, report = tell } = options
  if (!isOrigin(origin))
    throw new TypeError('origin must be an https origin (http on loopback), without a slash at its end')
  if (!pathForm.test(path)) throw new TypeError('path must be a plain path such as /bff')
  if (!(idleSeconds > 0 && absoluteSeconds >= idleSeconds && Number.isSafeInteger(absoluteSeconds))) {
    throw new TypeError('idleSeconds and absoluteSeconds must be positive, and the absolute one the longer')
  }
  const apis = Object.entries(options.apis).map(([prefix, api]) => readApi(prefix, api, path))
  if (apis.length === 0) throw new TypeError('apis must name at least one API')
  return {
    ...{ client, origin, scope, store, path, random, idleSeconds, absoluteSeconds, report, apis },
    loginSeconds: 600,
    nowSeconds: () => now() / 1_000,
    user: async (session: Session) => (options.user === undefined ? undefined : checkUser(await options.user(session))),
    limits: { requestBytes: 10_000_000, answerBytes: 100_000_000, timeoutMs: 30_000, ...options.limits },
  }
}

function readApi(prefix: string, api: BffApi, path: string): ProxiedApi {
  const { resource, baseUrl = resource, methods = ['GET', 'HEAD'], requestHeaders = [], answerHeaders = [] } = api
  if (!pathForm.test(prefix) || prefix === path || `${path}/`.startsWith(`${prefix}/`)) {
    throw new TypeError(`the API at ${prefix} must be at a plain path beside ${path}`)
  }
  if (!isResourceIdentifier(resource))
    throw new TypeError(`the resource of ${prefix} must be a URL without query and fragment`)
  if (!URL.canParse(baseUrl) || !isBelow(new URL(baseUrl), resource) || /[?#]/.test(baseUrl)) {
    throw new TypeError(`the baseUrl of ${prefix} must be its resource, or below it: tokens go nowhere else`)
  }
  if (methods.length === 0 || !methods.every((method) => methodForm.test(method))) {
    throw new TypeError(`the methods of ${prefix} must be among GET, HEAD, POST, PUT, PATCH, DELETE and QUERY`)
  }
  const headers = { requestHeaders: lower(requestHeaders), answerHeaders: lower(answerHeaders) }
  const wrong = [...headers.requestHeaders, ...headers.answerHeaders].find((name) => !mayPass(name))
  if (wrong !== undefined) throw new TypeError(`the header ${wrong} of ${prefix} is never handed on`)
  return { prefix, resource, baseUrl, methods, ...headers }
}

function lower(names: readonly string[]): readonly string[] {
  return names.map((name) => name.toLowerCase())
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text) || new URL(text).origin !== text) return false
  const { protocol, hostname } = new URL(text)
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** Nothing that pages get may be a token, whatever an API says of its users. */
function checkUser(user: JsonObject): JsonObject {
  const text = JSON.stringify(user)
  if (text.length > userLimit)
    throw new Error(`what pages shall know of the user is longer than ${userLimit} characters`)
  if (looksLikeCredential(text)) throw new Error('what pages shall know of the user holds what looks like a token')
  return user
}

function tell(what: string, error: unknown): void {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown error'
  process.stderr.write(`bff: ${what}: ${why}\n`)
}
