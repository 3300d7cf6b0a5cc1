import type { JsonObject, Judge } from '@arctos/core'

/** The values of `token_use` that mean an access token. */
const accessUses: readonly unknown[] = [undefined, 'access_token', 'access']

/**
 * Whether an introspection answer is about a bearer access token. It need not say so (RFC 7662 §2.2); but one that calls it
 * something else is believed: sender-constrained tokens need proof, and some issuers answer resource servers about refresh tokens,
 * too, and tell them by `token_use` alone.
 */
export function judgeType({ token_type: type, token_use: use }: JsonObject, judge: Judge): void {
  const isBearer = type === undefined || (typeof type === 'string' && type.toLowerCase() === 'bearer')
  judge('token type', isBearer, 'token.sender_constrained', 'Bearer', describe(type))
  judge('token use', accessUses.includes(use), 'token.type', 'access_token', describe(use))
}

function describe(name: unknown): string {
  if (typeof name !== 'string') return typeof name
  // Names of types are short (RFC 6749 §7.1); what is longer may be the token itself.
  return name.length <= 20 ? name : 'a longer text'
}
