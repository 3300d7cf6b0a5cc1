import type { Facts, Reason } from '@arctos/core'

/**
 * What happened to one request, as one line of JSON. The fields are an allow-list: a token, a secret, a query or a whole claim
 * set has no field to be in.
 */
export interface JournalEvent {
  readonly endpoint: string
  status?: number
  reason?: Reason
  facts?: Facts
  receipt?: string
  /** The client that proved itself; before that the one that was named is nobody's business. */
  client?: string
  grantType?: string
  grant?: string
  subject?: string
  jti?: string
  /** What the store said happened, where it is more than an answer: `replayed`, `reused`. */
  outcome?: string
  /** What the operator should be woken for: signs of a leak, or of a database that lost commits. */
  alarm?: 'refresh_replay_streak' | 'refresh_forked' | 'store_rolled_back' | 'user_codes_guessed' | 'secret_leaked'
  /** The class of a fault and its message; only for faults of our own. */
  fault?: string
}

export interface Journal {
  readonly write: (event: JournalEvent) => void
}

/**
 * A journal that writes lines to a sink, those of one turn at once. The order of fields is fixed, and a newline can't get in:
 * `JSON.stringify` escapes it.
 */
export function createJournal(sink: (lines: string) => void, now: () => number): Journal {
  let lines = ''
  let stampedMs = Number.NaN
  let stamp = ''
  const timestamp = (): string => {
    const ms = now()
    if (ms !== stampedMs) {
      stampedMs = ms
      stamp = new Date(ms).toISOString()
    }
    return stamp
  }
  const flush = (): void => {
    const text = lines
    lines = ''
    sink(text)
  }
  return {
    write(event) {
      if (lines === '') setImmediate(flush)
      lines += `${JSON.stringify(lineOf(timestamp(), event))}\n`
    },
  }
}

/** A journal that nobody reads. */
export const silentJournal: Journal = { write: () => undefined }

function lineOf(at: string, event: JournalEvent): object {
  const { endpoint, status, reason, facts, receipt, client, grantType, grant, subject, jti, outcome, alarm, fault } =
    event
  return {
    at,
    endpoint,
    status,
    reason,
    facts,
    receipt,
    client,
    grantType,
    grant,
    subject,
    jti,
    outcome,
    alarm,
    fault,
  }
}
