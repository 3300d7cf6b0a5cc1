import { formatOpaqueToken, refusalRow, sha256Base64url } from '@arctos/core'
import {
  type AuthorizationRequest,
  formatAuthorizationAnswer,
  formatAuthorizationRequest,
  type RedirectTarget,
  readAuthorizationRequest,
  readRedirectTarget,
} from '../authorization-request.ts'
import type { ServerContext } from '../context.ts'
import { requestedResources, requestedScopes } from '../grant-types/requested.ts'
import type { SealedRefusal } from '../http/entry.ts'
import { refusalPage, seeOther } from '../http/page.ts'
import type { Parameters } from '../parameters.ts'
import type { RegisteredResource } from '../store/registered-resource.ts'
import type { IssueCodeOutcome } from '../store/verbs/approval.ts'
import type { Spending } from '../store/verbs/spent.ts'
import type { BrowserSession } from './browser.ts'

/** An authorization request that may be answered with a code, once the user is known and agrees. */
export interface Authorization extends RedirectTarget, AuthorizationRequest {
  readonly resources: readonly RegisteredResource[]
  readonly scopes: readonly string[]
  /** The request as it is written again, to come back to it. */
  readonly query: string
}

/** Whose request this is and where its answer goes; before that, nothing is redirected. RFC 6749 §3.1.2.4 */
export async function findRedirectTarget(context: ServerContext, parameters: Parameters): Promise<RedirectTarget> {
  const clientId = parameters.get('client_id')
  const client = clientId === undefined ? undefined : await context.store.readClient(clientId)
  return readRedirectTarget(client?.disabledAt === undefined ? client : undefined, parameters)
}

/** Everything else about the request. Throws a refusal that goes back to the client. RFC 6749 §4.1.1, RFC 8707 §2 */
export async function readAuthorization(
  context: ServerContext,
  target: RedirectTarget,
  parameters: Parameters,
): Promise<Authorization> {
  const request = readAuthorizationRequest(target.client, parameters)
  const resources = await requestedResources(context, parameters.all('resource'))
  const scopes = requestedScopes(target.client, resources, parameters.get('scope'), true)
  return { ...target, ...request, resources, scopes, query: formatAuthorizationRequest(parameters) }
}

/** A code for what the user agreed to, in the answer to the client. RFC 6749 §4.1.2 */
export async function giveCode(
  context: ServerContext,
  authorization: Authorization,
  session: BrowserSession,
  form: Spending | undefined,
): Promise<{ readonly outcome: IssueCodeOutcome['outcome']; readonly answer: Response }> {
  // RFC 6749 §10.10: 256 bits of chance; only their hash is kept.
  const code = formatOpaqueToken('authorizationCode', context.random(32), context.store.environment).reveal()
  const { outcome } = await context.store.issueCode({
    codeHash: sha256Base64url(code),
    form,
    clientId: authorization.client.id,
    userId: session.userId,
    authenticatedAt: session.authenticatedAt,
    acr: session.acr,
    scopes: authorization.scopes,
    resourceKeys: authorization.resources.map((resource) => resource.key),
    redirectUri: authorization.redirectUri,
    redirectUriSent: authorization.redirectUriSent,
    codeChallenge: authorization.codeChallenge,
    remember: form !== undefined,
    reliesOnConsent: form === undefined,
  })
  return { outcome, answer: seeOther(formatAuthorizationAnswer(authorization, context.issuer, { code })) }
}

/**
 * The answer of a refusal: back to the client, if it is known where that is; else, and for a form that was forged, a
 * page and nothing more. RFC 6749 §4.1.2.1
 */
export function refuseAuthorization(
  context: ServerContext,
  target: RedirectTarget | undefined,
  sealed: SealedRefusal,
): Response {
  const { refusal, receipt } = sealed
  if (target === undefined || refusal.reason.startsWith('page.')) return refusalPage(sealed)
  const { code, sentence } = refusalRow(refusal.reason)
  const answer = { error: code, error_description: sentence, error_uri: `${context.issuer}/receipts/${receipt}` }
  return seeOther(formatAuthorizationAnswer(target, context.issuer, answer), [], receipt)
}
