import { Refusal } from '@arctos/core'
import { authenticateClient } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { required } from '../parameters.ts'
import { opaqueAccessKey } from '../store/opaque-access.ts'
import type { RevocationOutcome } from '../store/verbs/revocation.ts'
import { keySecretHash } from '../tokens/api-key.ts'
import { readOwnJwt } from '../tokens/own-jwt.ts'
import { parseRefreshToken } from '../tokens/refresh-token.ts'
import { spendAssertion } from './assertion.ts'

/** Single tokens a minute that a client may take back: each is an entry at every guard. Whoever has more to end ends a grant. */
const tokensPerMinute = 3_000

/**
 * Takes back a token of the client that asks. Unknown, foreign and already revoked tokens are answered like revoked ones, with an
 * empty object, for one widely used client insists on JSON. RFC 7009 §2.2
 */
export function revokeEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'revoke' }
  return enter(
    context,
    event,
    async () => {
      const parameters = await readForm(request)
      const authenticated = await authenticateClient(context, request.headers.get('authorization'), parameters)
      if (authenticated.proven) event.client = authenticated.client.id
      await spendAssertion(context, authenticated)
      const { outcome } = await revoke(context, authenticated.client.id, required(parameters, 'token'), event)
      event.outcome = outcome
      return jsonAnswer('{}')
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

async function revoke(
  context: ServerContext,
  clientId: string,
  text: string,
  event: JournalEvent,
): Promise<RevocationOutcome> {
  // A genuine refresh token of any generation will do: an old one proves as well that its family is the client's to end.
  const refresh = parseRefreshToken(context.keys, text)
  if (refresh !== undefined) {
    event.grant = refresh.grantId
    return await context.store.revokeFamily({ grantId: refresh.grantId, clientId })
  }
  const key = opaqueAccessKey(text)
  if (key !== undefined) return await context.store.revokeOpaque({ key, clientId })
  const secretHash = keySecretHash(text)
  if (secretHash !== undefined) {
    const found = await context.store.findApiKey(secretHash)
    if (found === undefined) return { outcome: 'nothing_to_revoke' }
    event.grant = found.keyId
    // One secret stands for the whole key, as one refresh token stands for its family.
    return await context.store.revokeApiKey({ keyId: found.keyId, clientId })
  }
  const access = readOwnJwt(context, text)
  const seconds = Math.floor(context.now() / 1000)
  if (access === undefined || access.clientId !== clientId || access.expiresAt <= seconds)
    return { outcome: 'nothing_to_revoke' }
  event.jti = access.jti
  await allowOne(context, clientId)
  return await context.store.revokeJwt(access)
}

/** Asked only about a token that is the client's, so that nobody else uses up what it may. */
async function allowOne({ store }: ServerContext, clientId: string): Promise<void> {
  const id = `revoked tokens of ${clientId}`
  const taken = await store.takeAttempt([{ id, count: tokensPerMinute, windowSeconds: 60 }])
  if (taken.outcome !== 'limited') return
  throw new Refusal('request.limited', {
    check: 'revoked tokens',
    expected: `${tokensPerMinute} a minute`,
    retryAfterSeconds: taken.retryAfterSeconds,
  })
}
