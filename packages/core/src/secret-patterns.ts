import { type OpaqueKind, opaqueBodyLength, opaqueKinds } from './opaque-token.ts'

/** How one kind of secret is found in text. */
export interface SecretPattern {
  readonly kind: OpaqueKind
  /** The name under which scanners list and report it; the same for both environments. */
  readonly id: string
  readonly description: string
  /**
   * A regular expression in the common ground of RE2, Hyperscan, PCRE and JavaScript: no look-around, no nesting and no
   * open repetition, so that every engine runs it in linear time. No word boundary either: in a log line a secret may stand
   * behind an escaped `\\n` or `%22`.
   */
  readonly regex: string
  /** What every match holds, in lower case: scanners look for these words first. */
  readonly keywords: readonly string[]
}

const descriptions: Readonly<Record<OpaqueKind, readonly [id: string, description: string]>> = {
  accessToken: ['arctos_access_token', 'Arctos opaque access token'],
  refreshToken: ['arctos_refresh_token', 'Arctos refresh token'],
  authorizationCode: ['arctos_authorization_code', 'Arctos authorization code'],
  deviceCode: ['arctos_device_code', 'Arctos device code'],
  clientSecret: ['arctos_client_secret', 'Arctos client secret'],
  session: ['arctos_session', 'Arctos browser session'],
  sharedSecret: ['arctos_shared_secret', 'Arctos secret that a resource shares'],
  apiKey: ['arctos_api_key', 'Arctos API key'],
  personalAccessToken: ['arctos_personal_access_token', 'Arctos personal access token'],
}

/**
 * One expression for each kind of secret that Arctos makes. What matches is Arctos' by its looks; whether it was ever made, its
 * checksum says, offline, with one error in 2^32.
 */
export const secretPatterns: readonly SecretPattern[] = (Object.keys(opaqueKinds) as OpaqueKind[]).map((kind) => {
  const [id, description] = descriptions[kind]
  const mark = opaqueKinds[kind].slice('arctos_'.length)
  const regex = `arctos_(?:test_)?${mark}[0-9A-Za-z]{${opaqueBodyLength(kind)}}`
  return { kind, id, description, regex, keywords: [`arctos_${mark}`, `arctos_test_${mark}`] }
})
