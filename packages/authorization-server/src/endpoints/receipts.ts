import { explainRefusal, Refusal, refusalRow } from '@arctos/core'
import { authenticateClient } from '../client-authentication/authenticate.ts'
import type { Peer, ServerContext } from '../context.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { required } from '../parameters.ts'
import { addressNetwork } from '../peer-address.ts'
import { spendAssertion } from './assertion.ts'

const lookUpsPerMinute = 60

/**
 * Explains a refusal to the client that it concerns: it authenticates and posts the receipt it was given. A receipt that is
 * unknown, too old or somebody else's gets one answer, and look-ups are limited (PROTOCOL §5).
 */
export function explainEndpoint(context: ServerContext, request: ProgramRequest, peer: Peer): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'receipts' }
  return enter(
    context,
    event,
    async () => {
      const attempt = await context.store.takeAttempt([
        { id: `receipts ${addressNetwork(peer.address)}`, count: lookUpsPerMinute, windowSeconds: 60 },
      ])
      if (attempt.outcome === 'limited') {
        throw new Refusal('request.limited', { check: 'look-ups', retryAfterSeconds: attempt.retryAfterSeconds })
      }
      const parameters = await readForm(request)
      const authenticated = await authenticateClient(context, request.headers.get('authorization'), parameters)
      await spendAssertion(context, authenticated)
      if (authenticated.proven) event.client = authenticated.client.id
      return jsonAnswer(
        explain(context, authenticated.proven ? authenticated.client.id : undefined, required(parameters, 'receipt')),
      )
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

function explain(context: ServerContext, client: string | undefined, receipt: string): string {
  const content = context.receipts.open(receipt)
  const mayRead =
    content !== undefined &&
    client !== undefined &&
    content.owner === client &&
    refusalRow(content.reason).readers === 'owner'
  if (!mayRead)
    throw new Refusal('page.not_found', { check: 'receipt', expected: 'one of this client, at most 7 days old' })
  return JSON.stringify({ at: content.at, ...explainRefusal(content.reason, content.facts) })
}

/** What an `error_uri` leads to: how to have the receipt explained. It says nothing of the receipt itself. */
export function receiptPage(context: ServerContext, request: { readonly method: string }): Response {
  const text = [
    'This is the address of a receipt: it stands for one refused request.',
    '',
    `The client that was refused can read it: POST ${context.issuer}/receipts with its client authentication and receipt=...`,
    'The operator of this server reads it with: arctos explain RECEIPT',
    '',
  ].join('\n')
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  return new Response(request.method === 'HEAD' ? null : text, { headers })
}
