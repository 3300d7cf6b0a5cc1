import { looksLikeCredential } from '@arctos/core'

/** What credentials are written with, but for the slash, which is in every path and in hardly any credential. */
const run = /[\w\-.~+=%]{12,}/g
/** Letters of both cases and digits, two dozen and more of them together: drawn, not named. */
const drawn = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{24}/

/**
 * A text that somebody else wrote (a path, the message of an error), without what looks like a credential in it. Not for facts, which
 * are chosen: the thumbprint by which a key goes looks drawn, too.
 */
export function withoutCredentials(text: string): string {
  return text.replace(run, (found) => (looksLikeCredential(found) || drawn.test(found) ? '[redacted]' : found))
}
