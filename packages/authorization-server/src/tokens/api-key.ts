import {
  formatOpaqueToken,
  opaqueByteLengths,
  parseOpaqueToken,
  type Secret,
  type SecretEnvironment,
  sha256Base64url,
} from '@arctos/core'

const kinds = ['apiKey', 'personalAccessToken'] as const

/** A secret of an API key or a personal access token: 256 random bits, of which the store gets the hash. */
export function makeKeySecret(
  kind: (typeof kinds)[number],
  random: (byteLength: number) => Buffer,
  environment: SecretEnvironment,
): { readonly secret: Secret; readonly hash: string } {
  const secret = formatOpaqueToken(kind, random(opaqueByteLengths[kind]), environment)
  return { secret, hash: sha256Base64url(secret.reveal()) }
}

/** The hash of what looks like such a secret; `undefined` for any other text, which takes no database to find out. */
export function keySecretHash(text: string): string | undefined {
  const isOne = kinds.some((kind) => parseOpaqueToken(kind, text, opaqueByteLengths[kind]) !== undefined)
  return isOne ? sha256Base64url(text) : undefined
}
