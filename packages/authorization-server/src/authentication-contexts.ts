/**
 * The ways in which a user can prove who they are here, as the standard names of their classes: what `acr` says in tokens, what
 * `acr_values` can ask for, and what the metadata announces, all from this one table. RFC 9470 §5, RFC 9470 §7
 */
export const authenticationContexts = {
  /** User name and password on our own page, over TLS or without leaving the machine (SAML 2.0 Authentication Context). */
  password: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
} as const

/** Every value of `acr` that a user can reach. */
export const reachableContexts: readonly string[] = Object.values(authenticationContexts)
