import { record } from '../audit-record.ts'
import { defineVerb, first, run, type Transaction, text, type Verb } from '../transaction.ts'
import { words } from './grants.ts'

/** Whose consent to what is asked for. */
export interface ConsentQuestion {
  readonly userId: string
  readonly clientId: string
  readonly resourceKeys: readonly string[]
}

/** The scopes that a user agreed to for a client at these resources: those of the narrowest answer. */
export const readConsent = defineVerb({
  kind: 'read',
  *run(_moment, question: ConsentQuestion): Verb<readonly string[]> {
    return yield* agreedScopes(question)
  },
})

export function* agreedScopes({ userId, clientId, resourceKeys }: ConsentQuestion): Verb<readonly string[]> {
  const agreed: (readonly string[])[] = []
  for (const key of resourceKeys) {
    const row = yield* first(
      'SELECT scope FROM consents WHERE user_id = $1 AND client_id = $2 AND resource_key = $3',
      userId,
      clientId,
      key,
    )
    agreed.push(row === undefined ? [] : words(text(row, 'scope')))
  }
  const [one = [], ...others] = agreed
  return one.filter((scope) => others.every((other) => other.includes(scope)))
}

/** What a user agreed to, for a client at these resources. */
export interface Consent extends ConsentQuestion {
  readonly scopes: readonly string[]
}

/** Remembers an answer, in the transaction of the code that it gave. */
export function* rememberConsent(transaction: Transaction, consent: Consent): Verb<void> {
  for (const key of consent.resourceKeys) {
    yield* run(
      `INSERT INTO consents (user_id, client_id, resource_key, scope, given_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (user_id, client_id, resource_key) DO UPDATE SET scope = excluded.scope, given_at = excluded.given_at`,
      consent.userId,
      consent.clientId,
      key,
      consent.scopes.join(' '),
      transaction.now,
    )
  }
  yield* record(transaction, 'consent.given', consent.userId, {
    client: consent.clientId,
    scope: consent.scopes.join(' ').slice(0, 500),
    resource: consent.resourceKeys.join(' ').slice(0, 500),
  })
}
