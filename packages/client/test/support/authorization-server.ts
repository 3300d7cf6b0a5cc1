import { hash, type KeyObject, randomBytes, verify } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { listen, readText, sendJson } from './http.ts'
import type { World } from './world.ts'

/** One request as the server saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly form: URLSearchParams
}

/** Does something else than answering. `answer` is what the server would do, which may be done first, or never. */
export type Fault = (exchange: { request: IncomingMessage; response: ServerResponse; answer: () => void }) => void

export interface StrictServer {
  readonly issuer: string
  readonly seen: SeenRequest[]
  /** The requests of one path. */
  seenAt(path: string): readonly SeenRequest[]
  /** The next requests of this path meet these faults, one each. */
  fault(path: string, ...faults: Fault[]): void
  /** Members of the metadata to replace, or to leave out by `undefined`. */
  readonly metadata: Record<string, unknown>
  /** Members of token answers to replace, or to leave out by `undefined`. */
  readonly tokenAnswer: Record<string, unknown>
  /** Changes the parameters of the authorization response. */
  changeResponse: (parameters: URLSearchParams) => void
  lifetimeSeconds: number
  rotates: boolean
  /** Public keys of the clients that authenticate by private_key_jwt with ES256. */
  readonly assertionKeys: KeyObject[]
  /** What a protected resource would be told about a token. */
  inspect(token: string): { active: boolean; resource: string | undefined; scope: string }
  /** Ends every access token that was issued. */
  killAccessTokens(): void
  killFamilies(): void
}

export const service = { clientId: 'reporter', secret: 'sëcret with space+plus:colon%25' }
export const publicClientId = 'notes-cli'

interface Family {
  scope: string
  live: string
  previous: string | undefined
  rotatedAt: number
  ended: boolean
}

interface Code {
  readonly challenge: string
  readonly redirectUri: string
  readonly clientId: string
  readonly scope: string
  readonly resources: readonly string[]
}

const retryWindowSeconds = 30

/** An authorization server as strict as the specifications allow: it rotates, detects reuse and takes a code once. */
export async function startAuthorizationServer(world: World, path = ''): Promise<StrictServer> {
  const seen: SeenRequest[] = []
  const faults = new Map<string, Fault[]>()
  const tokens = new Map<string, { expiresAt: number; resource: string | undefined; scope: string; family?: Family }>()
  const families: Family[] = []
  const codes = new Map<string, Code>()
  const spentAssertions = new Set<string>()

  const origin = await listen(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://server')
    const form = new URLSearchParams(await readText(request))
    const { method = '', headers } = request
    const exchange = { method, path: url.pathname, query: url.searchParams, headers, form }
    seen.push(exchange)
    const answer = () => route(exchange, response)
    const fault = faults.get(url.pathname)?.shift()
    if (fault === undefined) answer()
    else fault({ request, response, answer })
  })
  const issuer = `${origin}${path}`

  const route = (exchange: SeenRequest, response: ServerResponse): ServerResponse => {
    const { pathname } = new URL(issuer)
    const suffix = pathname === '/' ? '' : pathname.replace(/\/$/, '')
    switch (exchange.path) {
      case `/.well-known/oauth-authorization-server${suffix}`:
        return sendJson(response, 200, document())
      case '/authorize':
        return authorize(exchange, response)
      case '/token':
        return token(exchange, response)
      case '/revoke':
        return revoke(exchange, response)
      default:
        return sendJson(response, 404, { error: 'not_found' })
    }
  }

  const document = () => ({
    issuer,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    revocation_endpoint: `${origin}/revoke`,
    authorization_response_iss_parameter_supported: true,
    code_challenge_methods_supported: ['S256'],
    ...server.metadata,
  })

  const refuse = (response: ServerResponse, status: number, error: string): ServerResponse =>
    sendJson(response, status, { error, error_description: `refused: ${error}` }, { 'arctos-receipt': 'rcpt-123' })

  const authorize = ({ query }: SeenRequest, response: ServerResponse): ServerResponse => {
    const redirectUri = query.get('redirect_uri') ?? ''
    const challenge = query.get('code_challenge') ?? ''
    const repeated = [...query.keys()].some((name) => name !== 'resource' && query.getAll(name).length > 1)
    const isGood = query.get('response_type') === 'code' && query.get('code_challenge_method') === 'S256'
    if (repeated || !isGood || challenge.length !== 43 || !redirectUri.startsWith('http://127.0.0.1:')) {
      return refuse(response, 400, 'invalid_request')
    }
    const code = randomBytes(24).toString('base64url')
    const clientId = query.get('client_id') ?? ''
    const resources = query.getAll('resource')
    codes.set(code, { challenge, redirectUri, clientId, scope: query.get('scope') ?? 'read', resources })
    const parameters = new URLSearchParams({ code, state: query.get('state') ?? '', iss: issuer, unknown: 'ignored' })
    server.changeResponse(parameters)
    return response.writeHead(303, { location: `${redirectUri}?${parameters}` }).end()
  }

  const token = (exchange: SeenRequest, response: ServerResponse): ServerResponse => {
    const { form, method, headers } = exchange
    const repeated = [...form.keys()].some((name) => name !== 'resource' && form.getAll(name).length > 1)
    const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
    if (method !== 'POST' || !isForm || repeated) return refuse(response, 400, 'invalid_request')
    const clientId = authenticate(exchange)
    if (clientId === undefined) return refuse(response, 401, 'invalid_client')
    const resource = form.get('resource') ?? undefined
    switch (form.get('grant_type')) {
      case 'client_credentials':
        return issue(response, { scope: form.get('scope') ?? 'read', resource })
      case 'authorization_code': {
        const code = codes.get(form.get('code') ?? '')
        codes.delete(form.get('code') ?? '')
        const verified = hash('sha256', form.get('code_verifier') ?? '', 'base64url') === code?.challenge
        const isOwn = code?.clientId === clientId && code.redirectUri === form.get('redirect_uri')
        if (code === undefined || !verified || !isOwn) return refuse(response, 400, 'invalid_grant')
        if (resource === undefined || !code.resources.includes(resource)) return refuse(response, 400, 'invalid_target')
        const { scope } = code
        if (!scope.split(' ').includes('offline_access')) return issue(response, { scope, resource })
        const family = { scope, live: newRefreshToken(), previous: undefined, rotatedAt: 0, ended: false }
        families.push(family)
        return issue(response, { scope, resource, family })
      }
      case 'refresh_token':
        return refresh(response, form.get('refresh_token') ?? '', resource)
      default:
        return refuse(response, 400, 'unsupported_grant_type')
    }
  }

  const refresh = (response: ServerResponse, presented: string, resource: string | undefined): ServerResponse => {
    const family = families.find(({ live, previous }) => live === presented || previous === presented)
    if (family === undefined || family.ended) {
      // Anything that is no longer the live token or its predecessor ends the family it is from.
      const owner = families.find(({ live }) => presented.split('.')[0] === live.split('.')[0])
      if (owner) owner.ended = true
      return refuse(response, 400, 'invalid_grant')
    }
    if (family.live === presented && server.rotates) {
      family.previous = presented
      family.live = `${presented.split('.')[0]}.${randomBytes(16).toString('base64url')}`
      family.rotatedAt = world.nowSeconds()
    } else if (family.previous === presented && world.nowSeconds() > family.rotatedAt + retryWindowSeconds) {
      family.ended = true
      return refuse(response, 400, 'invalid_grant')
    }
    return issue(response, { scope: family.scope, resource, family })
  }

  const issue = (
    response: ServerResponse,
    grant: { scope: string; resource: string | undefined; family?: Family },
  ): ServerResponse => {
    const accessToken = `at-${randomBytes(16).toString('base64url')}`
    tokens.set(accessToken, { ...grant, expiresAt: world.nowSeconds() + server.lifetimeSeconds })
    return sendJson(response, 200, {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: server.lifetimeSeconds,
      scope: grant.scope,
      refresh_token: server.rotates || grant.family?.previous === undefined ? grant.family?.live : undefined,
      unknown_member: { ignored: true },
      ...server.tokenAnswer,
    })
  }

  const revoke = (exchange: SeenRequest, response: ServerResponse): ServerResponse => {
    if (authenticate(exchange) === undefined) return refuse(response, 401, 'invalid_client')
    const presented = exchange.form.get('token')
    for (const family of families) if (family.live === presented) family.ended = true
    if (presented !== null) tokens.delete(presented)
    return sendJson(response, 200, {})
  }

  /** The client that proved itself, by one method only. */
  const authenticate = ({ headers, form }: SeenRequest): string | undefined => {
    const { authorization } = headers
    const used = [authorization, form.get('client_secret'), form.get('client_assertion')].filter((each) => each != null)
    if (used.length > 1) return undefined
    if (authorization !== undefined) return byBasic(authorization)
    const clientId = form.get('client_id') ?? ''
    if (form.has('client_secret')) return form.get('client_secret') === service.secret ? clientId : undefined
    if (form.has('client_assertion')) return byAssertion(form.get('client_assertion') ?? '')
    return clientId === publicClientId ? clientId : undefined
  }

  const byBasic = (authorization: string): string | undefined => {
    const [id = '', secret = ''] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':')
    const [clientId, given] = [id, secret].map((part) => new URLSearchParams(`v=${part}`).get('v'))
    return clientId === service.clientId && given === service.secret ? clientId : undefined
  }

  const byAssertion = (assertion: string): string | undefined => {
    const [header = '', payload = '', signature = ''] = assertion.split('.')
    const { typ } = JSON.parse(Buffer.from(header, 'base64url').toString())
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const isSigned = server.assertionKeys.some((key) =>
      verify(
        'sha256',
        Buffer.from(`${header}.${payload}`),
        { key, dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature, 'base64url'),
      ),
    )
    const isFresh =
      claims.exp > world.nowSeconds() && claims.exp <= world.nowSeconds() + 300 && !spentAssertions.has(claims.jti)
    if (!isSigned || !isFresh || typ !== 'client-authentication+jwt' || claims.aud !== issuer) return undefined
    spentAssertions.add(claims.jti)
    return claims.iss === claims.sub ? claims.sub : undefined
  }

  const server: StrictServer = {
    issuer,
    seen,
    seenAt: (wanted) => seen.filter(({ path: at }) => at === wanted),
    fault: (at, ...next) => void faults.set(at, [...(faults.get(at) ?? []), ...next]),
    metadata: {},
    tokenAnswer: {},
    changeResponse: () => {},
    lifetimeSeconds: 600,
    rotates: true,
    assertionKeys: [],
    inspect: (presented) => {
      const known = tokens.get(presented)
      const active = known !== undefined && world.nowSeconds() < known.expiresAt && known.family?.ended !== true
      return { active, resource: known?.resource, scope: known?.scope ?? '' }
    },
    killAccessTokens: () => tokens.clear(),
    killFamilies: () => {
      for (const family of families) family.ended = true
    },
  }
  return server
}

function newRefreshToken(): string {
  return `rt-${randomBytes(8).toString('base64url').replace('.', '-')}.${randomBytes(16).toString('base64url')}`
}
