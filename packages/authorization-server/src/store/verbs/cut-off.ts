import { StoreUnavailable } from '../engine.ts'
import { longestAccessSeconds } from '../registered-resource.ts'
import { first, run, type Transaction, type Verb } from '../transaction.ts'
import { clockMarginSeconds } from './spent.ts'

/** How far a cut-off may be ahead of the clock, in seconds: guards take tokens from up to 10 s in the future. */
const leadLimitSeconds = 5
/**
 * The same for what users may do to themselves, as often as they like: the rest is kept for operators and leaks, or one user's
 * many new passwords would hold up every revocation there is, the one of that very user too.
 */
const ownLeadLimitSeconds = 2

/** Whose tokens a cut-off is to end. */
export type CutOffOf =
  | {
      readonly kind: 'client' | 'user'
      /** Its own cut-off so far. */
      readonly before: number
      /** The user asks for it. */
      readonly isOwn?: boolean
    }
  | { readonly kind: 'pair'; readonly userId: string; readonly clientId: string }
  | { readonly kind: 'grant'; readonly userId: string; readonly clientId: string; readonly before: number }
  | { readonly kind: 'actor' | 'all' }

/**
 * The cut-off of a revocation: later than the issue time of every token that it has to end. A token is dead iff it was issued
 * before it (PROTOCOL §1). A token issued right after a revocation carries that cut-off, which is a second ahead of the clock:
 * so a second revocation within the same second has to lie behind the former cut-offs too, and not only behind the clock. Those
 * are all that a token of this principal can depend on beside it: clients for a user, users for a client, and so on.
 * Whoever revokes so often that the cut-off would run away from the clock has to wait (decision 010).
 */
export function* cutOff(transaction: Transaction, of: CutOffOf): Verb<number> {
  const cut = Math.max(transaction.now, transaction.notBefore, yield* latestBeside(of)) + 1
  const limit = 'isOwn' in of && of.isOwn === true ? ownLeadLimitSeconds : leadLimitSeconds
  if (cut > transaction.now + limit) throw new StoreUnavailable('too many revocations within a few seconds')
  return cut
}

const ofClients = 'SELECT MAX(not_before) FROM clients'
const ofUsers = 'SELECT MAX(not_before) FROM users'
const ofGrants = 'SELECT MAX(not_before) FROM grants WHERE not_before > 0'
const ofPairsAndActors = 'SELECT MAX(not_before) FROM cut_offs'
const ofActors = "SELECT MAX(not_before) FROM cut_offs WHERE kind = 'actor'"
// Of one user at one client.
const ofTheClient = 'SELECT not_before FROM clients WHERE id = $1'
const ofTheUser = 'SELECT not_before FROM users WHERE id = $2'
const ofThePair = "SELECT not_before FROM cut_offs WHERE kind = 'pair' AND client_id = $1 AND subject = $2"

/** The latest cut-off that a token of this principal can have been issued at. */
function* latestBeside(of: CutOffOf): Verb<number> {
  switch (of.kind) {
    case 'client':
      return Math.max(of.before, yield* latest([ofUsers, ofGrants, ofPairsAndActors]))
    case 'user':
      return Math.max(of.before, yield* latest([ofClients, ofGrants, ofPairsAndActors]))
    case 'pair':
      return yield* latest([ofTheClient, ofTheUser, ofThePair, ofGrants, ofActors], of.clientId, of.userId)
    case 'grant': {
      const beside = [ofTheClient, ofTheUser, ofThePair, ofActors]
      return Math.max(of.before, yield* latest(beside, of.clientId, of.userId))
    }
    case 'actor':
    case 'all':
      return yield* latest([ofClients, ofUsers, ofGrants, ofPairsAndActors])
  }
}

function* latest(questions: readonly string[], ...values: readonly string[]): Verb<number> {
  const row = yield* first(`SELECT ${questions.map((each, at) => `(${each}) AS c${at}`).join(', ')}`, ...values)
  return Math.max(0, ...Object.values(row ?? {}).map((value) => (typeof value === 'number' ? value : 0)))
}

/** Whose cut-off has no row of its own: a user at one client, or an actor, named by its subject or client id. */
export type NamedCutOff =
  | { readonly kind: 'pair'; readonly userId: string; readonly clientId: string }
  | { readonly kind: 'actor'; readonly actor: string }

/** Keeps a cut-off for as long as a token that it ends may live. */
export function* keepCutOff(_transaction: Transaction, of: NamedCutOff, notBefore: number): Verb<void> {
  yield* run(
    `INSERT INTO cut_offs (kind, subject, client_id, not_before, expires_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (kind, subject, client_id) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at`,
    of.kind,
    of.kind === 'pair' ? of.userId : of.actor,
    of.kind === 'pair' ? of.clientId : '',
    notBefore,
    notBefore + longestAccessSeconds + clockMarginSeconds,
  )
}
