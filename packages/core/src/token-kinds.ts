import type { JoseHeader } from './compact-jws.ts'
import { Refusal } from './refusal.ts'

interface TokenKind {
  /** Accepted `typ` values, in lower case and without `application/`. */
  readonly types: readonly string[]
  /** Whether a header without `typ` passes: only where the specification is older than explicit typing. */
  readonly mayOmitType: boolean
}

/**
 * Every kind of JWT that Arctos accepts, by its `typ`. Each kind has one verify function, which asks here first, so that no kind
 * passes for another (RFC 8725 §3.11, RFC 9068 §4).
 */
const kinds = {
  accessToken: { types: ['at+jwt'], mayOmitType: false },
  /** The per-resource switch for foreign verifiers that refuse `at+jwt`; the claims then have to tell it from an ID token. */
  untypedAccessToken: { types: ['at+jwt', 'jwt'], mayOmitType: false },
  introspectionAnswer: { types: ['token-introspection+jwt'], mayOmitType: false },
  /** A list of statuses: draft-ietf-oauth-status-list-21 §5.1. */
  statusList: { types: ['statuslist+jwt'], mayOmitType: false },
  clientAssertion: { types: ['client-authentication+jwt', 'jwt'], mayOmitType: true },
  securityEvent: { types: ['secevent+jwt'], mayOmitType: false },
  /** What signs the snapshot of a revocation feed. */
  revocationSnapshot: { types: ['revocation-snapshot+jwt'], mayOmitType: false },
} as const satisfies Record<string, TokenKind>

export type TokenKindName = keyof typeof kinds

/** Throws `token.type` unless the header names this kind. Media types compare without case (RFC 7515 §4.1.9). */
export function checkTokenKind(header: JoseHeader, name: TokenKindName): void {
  const kind: TokenKind = kinds[name]
  const typ = header.typ?.toLowerCase().replace(/^application\//, '')
  if (typ === undefined ? kind.mayOmitType : kind.types.includes(typ)) return
  throw new Refusal('token.type', { check: 'type', expected: kind.types[0], received: header.typ?.slice(0, 40) })
}
