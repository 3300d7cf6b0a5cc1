import type { Reason } from '@arctos/core'
import type { Forge } from './forge.ts'
import type { OutageKind, OutageOf } from './outage.ts'

/** One request to a guard, and its only right answer. */
export interface GuardVector {
  /** Stays the same from version to version. */
  readonly id: string
  /** What a right guard does, and in brackets the clause that demands it. */
  readonly title: string
  /** The row of the comparison table that this case belongs to; absent for the many others. */
  readonly row?: number
  /** Here we are stricter than any specification demands; asked only of guards that are meant to be. */
  readonly beyond?: true
  /** Which policy the route has: `read` needs a scope that the good token has, `write` one that it lacks, `form` is `read` by POST. */
  readonly route: VectorRoute
  /** In place of the route's own. */
  readonly method?: string
  readonly request: (forge: Forge) => VectorRequest
  readonly expected: ExpectedAnswer
  /** What is broken at the authorization server, before the guard has loaded anything. */
  readonly outage?: VectorOutage
}

export interface VectorOutage {
  readonly of: OutageOf
  readonly how?: OutageKind
}

export type VectorRoute = 'read' | 'write' | 'form'

export interface VectorRequest {
  /** Values of the Authorization header, one line each; none by default. */
  readonly authorization?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  /** With its question mark. */
  readonly query?: string
  /** A form. */
  readonly body?: string
  /** The end of the body never comes. */
  readonly unfinished?: boolean
  /** The route's path in another spelling. */
  readonly path?: (path: string) => string
}

export interface ExpectedAnswer {
  /** 200 stands for any success. */
  readonly status: number
  /** The challenge for Bearer: none, one without an error code, or one with it. */
  readonly challenge: 'none' | 'bare' | 'code'
  /** The code, where the challenge has one. */
  readonly error?: string
  /** Why, as our own guard tells its operator. */
  readonly reason?: Reason
  /** Statuses that are as right, because the server or router in front may answer before the guard. */
  readonly otherwise?: readonly number[]
}

export const good = { status: 200, challenge: 'none' } as const
/** No credentials: a challenge that names no error. RFC 6750 §3.1 */
export const bare = { status: 401, challenge: 'bare' } as const
export const malformed = answer(400, 'invalid_request', 'credentials.malformed')
export const multiple = answer(400, 'invalid_request', 'credentials.multiple')
export const scopeLacking = answer(403, 'insufficient_scope', 'token.scope')
export const unavailable = { status: 503, challenge: 'none', reason: 'keys.unavailable' } as const

export function badToken(reason: Reason): ExpectedAnswer {
  return answer(401, 'invalid_token', reason)
}

function answer(status: number, error: string, reason: Reason): ExpectedAnswer {
  return { status, challenge: 'code', error, reason }
}

/** A request with one credential, as everybody sends it. */
export function bearer(token: (forge: Forge) => string): GuardVector['request'] {
  return (forge) => ({ authorization: [`Bearer ${token(forge)}`] })
}

/** The cases of a list that share all but a value. `describe` names it in the title. */
export function each<Value>(
  values: readonly Value[],
  make: (value: Value, number: number) => GuardVector,
): readonly GuardVector[] {
  return values.map((value, index) => make(value, index + 1))
}
