import {
  formatScope,
  introspectionAnswerType,
  opaqueOriginOf,
  Refusal,
  resourceKey,
  sha256Base64url,
} from '@arctos/core'
import { authenticateClient } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'
import { prefers } from '../http/accept.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { type Parameters, required } from '../parameters.ts'
import { opaqueAccessKey } from '../store/opaque-access.ts'
import type { RegisteredClient } from '../store/registered-client.ts'
import type { AccessFacts } from '../store/verbs/introspection.ts'
import { keySecretHash } from '../tokens/api-key.ts'
import { signIntrospectionAnswer } from '../tokens/introspection-answer.ts'
import { readOwnJwt } from '../tokens/own-jwt.ts'
import { parseRefreshToken } from '../tokens/refresh-token.ts'
import { spendAssertion } from './assertion.ts'

const inactive = { active: false }
const signedType = `application/${introspectionAnswerType}`

/**
 * Tells a resource server about a token for it, or a client about its own: in JSON, or signed for whoever accepts that
 * (RFC 9701 §4). Everything that is not active for this caller is the same answer. RFC 7662 §2
 */
export function introspectEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'introspect' }
  return enter(
    context,
    event,
    async () => {
      const parameters = await readForm(request)
      const authorization = request.headers.get('authorization')
      const isSigned = prefers(request.headers.get('accept'), signedType, 'application/json')
      if (isSigned) requireCredential(authorization, parameters)
      const authenticated = await authenticateClient(context, authorization, parameters)
      // RFC 7662 §2.1: the caller must be authorized; a public client has nothing to be authorized by.
      if (!authenticated.proven)
        throw new Refusal('client.missing', { check: 'client', expected: 'confidential', received: 'public' })
      event.client = authenticated.client.id
      await spendAssertion(context, authenticated)
      const token = required(parameters, 'token')
      const told = await introspect(context, authenticated.client, token, event)
      if (!isSigned) return jsonAnswer(JSON.stringify(told))
      const signed = await signIntrospectionAnswer(context, authenticated.client.id, token, told)
      return jsonAnswer(signed, 200, { 'content-type': signedType })
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

/** Who asks for a signed answer without any credential gets 400, where RFC 7662 §2.3 has 401. RFC 9701 §5 */
function requireCredential(authorization: string | null, parameters: Parameters): void {
  const shown = ['client_secret', 'client_assertion'].some((name) => parameters.get(name) !== undefined)
  if (authorization === null && !shown)
    throw new Refusal('introspection.anonymous', {
      check: 'client authentication',
      expected: 'a credential',
      received: 'none',
    })
}

/** An API key is an access token to its resource, with what it may do there now. It has no `exp` where it never expires. */
async function introspectKey(
  context: ServerContext,
  caller: RegisteredClient,
  secretHash: string,
  event: JournalEvent,
): Promise<object> {
  const live = await context.store.introspectApiKey(secretHash)
  if (live === undefined) return inactive
  const { key, resource, scopes, expiresAt } = live
  const subject = key.userId ?? key.clientId
  const facts = { clientId: key.clientId, audience: [resource.identifier] }
  if (!mayKnow(caller, facts)) return inactive
  event.grant = key.id
  context.secretUses.note(secretHash, Math.floor(context.now() / 1_000))
  return {
    active: true,
    iss: context.issuer,
    sub: subject,
    aud: resource.identifier,
    client_id: key.clientId,
    scope: formatScope(scopes) || undefined,
    token_type: 'Bearer',
    iat: key.issuedAt,
    exp: expiresAt,
    grant_id: key.id,
  }
}

async function introspect(
  context: ServerContext,
  caller: RegisteredClient,
  token: string,
  event: JournalEvent,
): Promise<object> {
  // `token_type_hint` is not needed: the kinds cannot be taken for each other.
  if (opaqueOriginOf(token)?.kind === 'refreshToken') return await introspectRefresh(context, caller, token)
  const secretHash = keySecretHash(token)
  if (secretHash !== undefined) return await introspectKey(context, caller, secretHash, event)
  const access = await liveAccess(context, token)
  if (access === undefined || !mayKnow(caller, access)) return inactive
  event.jti = access.jti
  const { statusReference } = access
  return {
    active: true,
    iss: context.issuer,
    sub: access.subject,
    aud: access.audience.length === 1 ? access.audience[0] : access.audience,
    client_id: access.clientId,
    scope: formatScope(await scopesFor(context, caller, access)) || undefined,
    token_type: 'Bearer',
    iat: access.issuedAt,
    exp: access.expiresAt,
    jti: access.jti,
    grant_id: access.grantId,
    // RFC 9470 §6.2
    auth_time: access.authenticatedAt,
    acr: access.acr,
    // draft-ietf-oauth-status-list-21 §6.2
    status: statusReference && { status_list: { idx: statusReference.index, uri: statusReference.uri } },
  }
}

async function liveAccess(context: ServerContext, token: string): Promise<AccessFacts | undefined> {
  const key = opaqueAccessKey(token)
  if (key !== undefined) return await context.store.introspectOpaque(key)
  const access = readOwnJwt(context, token)
  if (access === undefined || access.expiresAt <= Math.floor(context.now() / 1000)) return undefined
  return (await context.store.introspectJwt(access)) ? access : undefined
}

/** A resource server sees tokens for its resource, a client those it was given. RFC 7662 §4 */
function mayKnow(caller: RegisteredClient, access: Pick<AccessFacts, 'clientId' | 'audience'>): boolean {
  const { resourceServerOf } = caller.settings
  if (resourceServerOf === undefined) return access.clientId === caller.id
  return access.audience.some((audience) => resourceKey(audience) === resourceKey(resourceServerOf))
}

/** What the token may do at this resource server: where it is for others, too, what it may do there is theirs. RFC 9701 §5 */
async function scopesFor(
  context: ServerContext,
  caller: RegisteredClient,
  access: AccessFacts,
): Promise<readonly string[]> {
  const { resourceServerOf } = caller.settings
  if (resourceServerOf === undefined || access.audience.length === 1) return access.scopes
  const [resource] = await context.store.readResources([resourceKey(resourceServerOf)])
  return access.scopes.filter((word) => resource !== undefined && Object.hasOwn(resource.scopes, word))
}

/** A refresh token is active for its own client only, and never for a resource server: it is no credential there. */
async function introspectRefresh(context: ServerContext, caller: RegisteredClient, text: string): Promise<object> {
  const token = parseRefreshToken(context.keys, text)
  const grant = token && (await context.store.readLiveGrant(token.grantId))
  if (token === undefined || grant?.clientId !== caller.id) return inactive
  const isLive =
    grant.family?.generation === token.generation && grant.family.tokenHash === sha256Base64url(token.secret)
  if (!isLive) return inactive
  return {
    active: true,
    iss: context.issuer,
    sub: grant.userId,
    client_id: grant.clientId,
    scope: formatScope(grant.scopes) || undefined,
    exp: Math.min(grant.idleExpiresAt, grant.absoluteExpiresAt),
    iat: grant.issuedAt,
    grant_id: grant.id,
  }
}
