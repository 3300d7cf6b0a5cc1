import type { RevocationEntry } from '../store/revocation-entry.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** What streams can carry, by the URIs that name it (CAEP §3). */
export const eventTypes = {
  sessionRevoked: `${caep}session-revoked`,
  tokenClaimsChange: `${caep}token-claims-change`,
  credentialChange: `${caep}credential-change`,
  /** No standard has an event for a withdrawn signing key: one of our own. */
  keyWithdrawn: 'urn:arctos:event-type:key-withdrawn',
} as const

/** What is told about a stream itself, whatever was asked for (SSF §8.1.4, SSF §8.1.5). */
export const streamEventTypes = {
  verification: `${ssf}verification`,
  streamUpdated: `${ssf}stream-updated`,
} as const

export const supportedEvents: readonly string[] = Object.values(eventTypes)

/** The event that tells of an entry (PROTOCOL §7). */
export function eventTypeOf(entry: RevocationEntry): string {
  switch (entry.kind) {
    case 'token':
    case 'grant':
    case 'user_at_client':
    case 'subject':
    case 'client':
    case 'actor':
    case 'all':
      return eventTypes.sessionRevoked
    case 'claims':
      return eventTypes.tokenClaimsChange
    case 'credential':
      return eventTypes.credentialChange
    case 'key':
      return eventTypes.keyWithdrawn
  }
}
