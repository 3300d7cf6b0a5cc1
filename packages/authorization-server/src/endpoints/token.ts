import { formatScope, Refusal } from '@arctos/core'
import { type AuthenticatedClient, authenticateClient } from '../client-authentication/authenticate.ts'
import { showsClient } from '../client-authentication/credentials.ts'
import type { ServerContext } from '../context.ts'
import { isReceiver } from '../feed/feed-resource.ts'
import { clientCredentials } from '../grant-types/client-credentials.ts'
import { deviceCode } from '../grant-types/device-code.ts'
import type { GrantType, IssuedTokens } from '../grant-types/grant-type.ts'
import { grantTypes } from '../grant-types/grant-types.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { type Parameters, required } from '../parameters.ts'
import { offlineScope } from '../store/verbs/codes.ts'

/** The token endpoint: client authentication, a grant type looked up by name, one transaction, one answer. RFC 6749 §3.2 */
export function tokenEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'token' }
  return enter(
    context,
    event,
    async () => {
      const parameters = await readForm(request)
      const authorization = request.headers.get('authorization')
      if (!showsClient(authorization, parameters)) {
        const issued = await issueAlone(context, parameters, event)
        if (issued !== undefined) return answerTokens(context, issued, event)
      }
      const authenticated = await authenticateClient(context, authorization, parameters)
      if (authenticated.proven) event.client = authenticated.client.id
      const grantType = selectGrantType(authenticated, required(parameters, 'grant_type'))
      event.grantType = grantType.name
      const issued = await grantType.run(context, authenticated, parameters, event)
      return answerTokens(context, issued, event)
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

/** A grant type whose request proves by itself who asks; every other one needs a client. */
function issueAlone(
  context: ServerContext,
  parameters: Parameters,
  event: JournalEvent,
): Promise<IssuedTokens> | undefined {
  const grantType = grantTypes.find(({ name }) => name === parameters.get('grant_type'))
  if (grantType?.runAlone === undefined) return undefined
  event.grantType = grantType.name
  return grantType.runAlone(context, parameters, event)
}

function selectGrantType({ client }: AuthenticatedClient, name: string): GrantType {
  const grantType = grantTypes.find((candidate) => candidate.name === name)
  if (grantType === undefined) {
    throw new Refusal('grant_type.unsupported', { check: 'grant_type', received: name.slice(0, 60) })
  }
  if (grantType.runAlone !== undefined) return grantType
  // A client that may start a flow with a user may also go on with the refresh tokens it was given.
  const needed = name === 'refresh_token' ? ['authorization_code', deviceCode.name] : [name]
  // Whoever receives events may have a token for the feed, and for nothing else on that account.
  const mayReceive = name === clientCredentials.name && isReceiver(client)
  if (!mayReceive && !needed.some((each) => client.settings.grantTypes.includes(each))) {
    const expected = client.settings.grantTypes.join(' ')
    throw new Refusal('client.grant_type_not_allowed', { check: 'grant_type', expected, received: name })
  }
  return grantType
}

/** The successful answer. RFC 6749 §5.1 */
async function answerTokens(context: ServerContext, issued: IssuedTokens, event: JournalEvent): Promise<Answer> {
  const { access, scopes, refreshToken, issuedTokenType } = issued
  const token = await context.writeAccessToken(access)
  event.jti = access.jti
  event.subject = access.subject
  if (access.grantId !== undefined) event.grant = access.grantId
  // RFC 6749 §3.3: what the token really is good for, and that there is a refresh token for the grant.
  const granted = scopes.filter((word) => word === offlineScope || access.scopes.includes(word))
  return jsonAnswer(
    JSON.stringify({
      access_token: token.reveal(),
      issued_token_type: issuedTokenType,
      token_type: 'Bearer',
      expires_in: access.expiresAt - access.issuedAt,
      scope: formatScope(granted) || undefined,
      refresh_token: refreshToken?.reveal(),
    }),
  )
}
