import { type AccessToken, createTurnBatch, type Settled } from '@arctos/core'

/** Checks one token, at once where everything is at hand. Throws a refusal. */
type Verification = () => AccessToken | Promise<AccessToken>

/** A signature costs half as much in a loop of them as between the requests: what one turn of the event loop brings is one loop. */
export interface VerificationTurn {
  add(verification: Verification): Promise<AccessToken>
}

const jobLimit = 256
/** So long a flush may hold the event loop; then others have their turn. */
const flushMs = 4

/** @param elapsed milliseconds of a clock that never steps */
export function createVerificationTurn(elapsed: () => number): VerificationTurn {
  const run = (jobs: readonly Verification[]): readonly Settled<AccessToken>[] => {
    const end = elapsed() + flushMs
    const results: Settled<AccessToken>[] = []
    for (const job of jobs) {
      results.push(settle(job))
      if (elapsed() >= end) break
    }
    return results
  }
  return createTurnBatch<Verification, AccessToken>({
    run,
    schedule: (flush) => void setImmediate(flush),
    limit: jobLimit,
    mayStopEarly: true,
  })
}

function settle(job: Verification): Settled<AccessToken> {
  try {
    return { ok: true, value: job() }
  } catch (error) {
    return { ok: false, error }
  }
}
