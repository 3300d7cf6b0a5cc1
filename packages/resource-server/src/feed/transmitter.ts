import { type JsonObject, readString, readStrings } from '@arctos/core'
import { isTrustworthyUrl } from '../option-check.ts'
import { type Fetch, fetchJson } from '../outbound-fetch.ts'
import { isTrouble, type Trouble } from './trouble.ts'

/** What a transmitter says about itself. SSF 1.0 §7.1 */
export interface TransmitterMetadata {
  readonly jwksUri: string
  /** Where streams are made and ended. */
  readonly configurationEndpoint: string
  /** Where a heartbeat can be asked for. */
  readonly verificationEndpoint: string | undefined
  /** Where an Arctos tells everything at once; others have none. */
  readonly snapshotEndpoint: string | undefined
  readonly criticalMembers: ReadonlySet<string>
}

/** Reads the metadata of a transmitter once an hour; what was read stays while it cannot be read again. */
export interface Transmitter {
  read(): Promise<TransmitterMetadata | Trouble>
  /** Lets the next {@link read} ask again. */
  doubt(): void
}

const freshForMs = 60 * 60 * 1_000

export function createTransmitter(issuer: string, fetch: Fetch, elapsed: () => number): Transmitter {
  let metadata: TransmitterMetadata | undefined
  let freshUntil = Number.NEGATIVE_INFINITY
  return {
    async read() {
      if (metadata !== undefined && elapsed() < freshUntil) return metadata
      const found = await readMetadata(issuer, fetch)
      if (isTrouble(found)) return metadata ?? found
      metadata = found
      freshUntil = elapsed() + freshForMs
      return metadata
    },
    doubt() {
      freshUntil = Number.NEGATIVE_INFINITY
    },
  }
}

/** The well-known part goes between host and path, as in RFC 8414 §3.1. SSF 1.0 §7.2 */
async function readMetadata(issuer: string, fetch: Fetch): Promise<TransmitterMetadata | Trouble> {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`
  const answer = await fetchJson(fetch, url, { headers: { accept: 'application/json' } })
  if (!answer.ok) return { problem: `transmitter: ${answer.problem}` }
  const { status, object } = answer
  if (status !== 200 || object === undefined) {
    return { problem: `transmitter: ${status === 200 ? 'no JSON object' : `HTTP ${status}`}` }
  }
  // A document that speaks for another transmitter may have been put there by it.
  if (readString(object, 'issuer') !== issuer) return { problem: 'transmitter: another issuer' }
  return readDocument(object)
}

function readDocument(document: JsonObject): TransmitterMetadata | Trouble {
  const jwksUri = readString(document, 'jwks_uri')
  const configurationEndpoint = readString(document, 'configuration_endpoint')
  const verificationEndpoint = readString(document, 'verification_endpoint')
  const snapshotEndpoint = readString(document, 'arctos_snapshot_endpoint')
  for (const url of [jwksUri, configurationEndpoint, verificationEndpoint, snapshotEndpoint]) {
    if (url !== undefined && !isTrustworthyUrl(url)) return { problem: 'transmitter: an address that is not https' }
  }
  if (jwksUri === undefined) return { problem: 'transmitter: no jwks_uri' }
  if (configurationEndpoint === undefined) return { problem: 'transmitter: no configuration_endpoint' }
  const criticalMembers = new Set(readStrings(document, 'critical_subject_members') ?? [])
  return { jwksUri, configurationEndpoint, verificationEndpoint, snapshotEndpoint, criticalMembers }
}
