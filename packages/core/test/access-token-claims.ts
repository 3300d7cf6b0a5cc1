import type { AccessTokenExpectation, JsonObject, JsonValue } from '../src/index.ts'
import { issuer } from './signing-keys.ts'

/** Epoch seconds at which the tests look at tokens. */
export const now = 1_800_000_000

export const expected: AccessTokenExpectation = {
  issuer,
  audience: 'https://api.example.com',
  clockToleranceSeconds: 10,
  allowUntyped: false,
}

export const goodClaims: JsonObject = {
  iss: issuer,
  sub: 'user-1',
  aud: 'https://api.example.com',
  client_id: 'client-1',
  scope: 'read write',
  iat: now - 60,
  exp: now + 240,
  jti: 'token-1',
}

/** The good claims with some in another form; `undefined` leaves a claim out. */
export function claimsWith(changes: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries({ ...goodClaims, ...changes }).filter(([, value]) => value !== undefined))
}
