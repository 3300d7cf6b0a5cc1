import { Refusal } from '@arctos/core'
import { createPace } from '../keys/pace.ts'
import type { TrustedIssuer } from '../keys/trusted-issuers.ts'
import { isTrustworthyUrl } from '../option-check.ts'
import { type Fetch, fetchJson } from '../outbound-fetch.ts'
import type { StatusListCounts } from './status-list-counts.ts'

/** The addresses of an issuer's status lists, by its own word. */
export interface IssuerLists {
  /** Why a list is none of the issuer's; `undefined` where it is one. Asks the issuer about one that it has not heard of. */
  rejection(uri: string): Promise<string | undefined>
}

export interface IssuerListsOptions {
  readonly issuer: TrustedIssuer
  readonly fetch: Fetch
  readonly elapsed: () => number
  readonly wait: (milliseconds: number) => Promise<void>
  /** Origins beside the issuer's. */
  readonly origins: readonly string[]
  readonly counts: StatusListCounts
}

const addressLimit = 10_000
/** An issuer is asked about lists that it has not named so often at once, and then twice a second, whatever tokens say. */
const burst = 5
const refillMs = 500

/**
 * Reads what the issuer's metadata leads to. A token only chooses among these addresses, so nobody has us ask anywhere else,
 * whatever its `uri` says. draft-ietf-oauth-status-list-21 §9
 */
export function createIssuerLists(options: IssuerListsOptions): IssuerLists {
  const { issuer, fetch, elapsed, wait, origins, counts } = options
  const allowed = [new URL(issuer.issuer).origin, ...origins]
  let addresses: ReadonlySet<string> = new Set()
  let problem: string | undefined
  const pace = createPace(burst, refillMs, elapsed, wait)
  let reading: Promise<void> | undefined
  let queued: Promise<void> | undefined

  const read = async (): Promise<void> => {
    try {
      addresses = new Set(await readAddresses(issuer, fetch))
      problem = undefined
    } catch (error) {
      const facts = error instanceof Refusal ? error.facts : { check: 'fault', received: 'fault' }
      counts.failed(String(facts['check']))
      problem = String(facts['received'])
      // It may have begun to name its lists since its metadata was read.
      issuer.metadata.doubt()
    }
  }

  const readNow = (): Promise<void> => {
    queued = undefined
    reading = read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return {
    async rejection(uri) {
      // A reading that is under way may have begun before the issuer had this list.
      if (!addresses.has(uri)) await reading
      if (!addresses.has(uri)) {
        queued ??= pace.turn().then(readNow)
        await queued
      }
      if (!addresses.has(uri)) return problem ?? 'the issuer names no such list'
      return isTrustworthyUrl(uri) && allowed.includes(new URL(uri).origin) ? undefined : 'a list at another origin'
    },
  }
}

async function readAddresses({ metadata }: TrustedIssuer, fetch: Fetch): Promise<readonly string[]> {
  const located = await metadata.locate('status_list_aggregation_endpoint')
  if ('problem' in located) throw unavailable(located.problem)
  const answer = await fetchJson(fetch, located.url, { headers: { accept: 'application/json' } })
  if (!answer.ok) throw unavailable(answer.problem)
  if (answer.status !== 200) throw unavailable(`HTTP ${answer.status}`)
  const { status_lists: lists } = answer.object ?? {}
  const isList = Array.isArray(lists) && lists.length <= addressLimit && lists.every((uri) => typeof uri === 'string')
  if (!isList) throw unavailable(`no list of at most ${addressLimit} texts`)
  return lists as readonly string[]
}

function unavailable(received: string): Refusal {
  return new Refusal('status.unavailable', { check: 'status list: aggregation', received })
}
