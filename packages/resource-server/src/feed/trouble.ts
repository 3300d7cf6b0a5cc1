import type { FetchedBytes } from '../outbound-fetch.ts'
import { retryAfterMs } from './backoff.ts'

/** Why something could not be had from a transmitter. */
export interface Trouble {
  readonly problem: string
  /** What has to be made anew before the next attempt. */
  readonly lost?: 'token' | 'stream' | 'sync' | undefined
  readonly retryAfterMs?: number | undefined
  /** A word of a closed list, where what came was refused. */
  readonly reason?: string | undefined
}

export function isTrouble(result: object): result is Trouble {
  return 'problem' in result
}

type Answered = Extract<FetchedBytes, { readonly ok: true }>

/** What an answer that is not the wanted one means. @param about what was asked for, in a word */
export function troubleOf({ status, headers }: Answered, about: string): Trouble {
  const problem = `${about}: HTTP ${status}`
  if (status === 401) return { problem, lost: 'token' }
  if (status === 404 || status === 410) return { problem, lost: 'stream' }
  return { problem, retryAfterMs: retryAfterMs(headers) }
}
