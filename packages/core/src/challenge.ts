/** Parameters of one challenge; absent ones are left out. */
export type ChallengeParameters = Readonly<Record<string, string | number | undefined>>

/**
 * Writes one `WWW-Authenticate` challenge with every value as a quoted string. Characters that may not stand in one (control
 * characters, anything beyond ASCII) become `?`, so that building an answer can never throw (RFC 9110 §11.6.1, RFC 6750 §3).
 */
export function formatChallenge(scheme: string, parameters: ChallengeParameters): string {
  const parts: string[] = []
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) parts.push(`${name}="${escapeQuoted(String(value))}"`)
  }
  return parts.length === 0 ? scheme : `${scheme} ${parts.join(', ')}`
}

function escapeQuoted(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
}
