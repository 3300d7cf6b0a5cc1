import { record } from '../audit-record.ts'
import { tell } from '../revocation-entry.ts'
import { defineVerb, first, integer, type Lock, run, type Verb } from '../transaction.ts'
import { endedKeySeconds } from './api-key-end.ts'
import { cutOff } from './cut-off.ts'

/** What a recovery ended. */
export interface Recovered {
  readonly epoch: number
  readonly grants: number
}

/**
 * After a restore from a backup, or a failover that lost commits: the database no longer knows which refresh tokens were spent and
 * what was revoked in the lost time. So everything issued before now is dead, every family needs a login, and the epoch moves, by
 * which guards see that their state is from another life (PROTOCOL §1).
 */
export const recoverLostWindow = defineVerb({
  kind: 'change',
  bulk: true,
  *run(transaction, { actor }: { readonly actor: string }): Verb<Recovered> {
    const state = yield* first('SELECT epoch FROM issuer_state WHERE id = 1')
    const epoch = (state === undefined ? 0 : integer(state, 'epoch')) + 1
    const notBefore = yield* cutOff(transaction, { kind: 'all' })
    transaction.notBefore = notBefore
    yield* run('UPDATE issuer_state SET epoch = $1, not_before = $2 WHERE id = 1', epoch, notBefore)
    const { changes: grants } = yield* run(
      "UPDATE grants SET ended_at = $1, ended_reason = 'recovered' WHERE ended_at IS NULL",
      transaction.now,
    )
    yield* run(
      "UPDATE api_keys SET ended_at = $1, ended_reason = 'recovered', keep_until = $2 WHERE ended_at IS NULL",
      transaction.now,
      transaction.now + endedKeySeconds,
    )
    // So may sessions have been closed and consents withdrawn: everybody signs in and is asked again.
    yield* run('DELETE FROM sessions')
    yield* run('DELETE FROM consents')
    // Codes of the lost time may have been spent: nobody redeems one that is left.
    yield* run('UPDATE codes SET spent_at = $1 WHERE spent_at IS NULL', transaction.now)
    yield* run('UPDATE device_codes SET spent_at = $1 WHERE spent_at IS NULL', transaction.now)
    yield* record(transaction, 'issuer.recovered', actor, { epoch, not_before: notBefore, grants })
    yield* tell(transaction, { kind: 'all', issuedBefore: notBefore }, { reason: 'recovered', initiator: 'admin' })
    return { epoch, grants }
  },
  locks: (): readonly Lock[] => [{ table: 'issuer_state', key: '1', mode: 'update' }],
})
