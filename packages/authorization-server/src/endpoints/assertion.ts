import { Refusal } from '@arctos/core'
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'

/** Spends a client assertion at an endpoint that issues nothing and so has no transaction to spend it in. RFC 7523 §3 */
export async function spendAssertion(context: ServerContext, { assertion }: AuthenticatedClient): Promise<void> {
  if (assertion === undefined) return
  const { outcome } = await context.store.spendOnce(assertion)
  if (outcome === 'replayed') throw new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
}
