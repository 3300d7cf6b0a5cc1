import type { GuardVector } from './guard-vector.ts'
import { claimVectors } from './vectors/claims.ts'
import { credentialVectors } from './vectors/credentials.ts'
import { elsewhereVectors } from './vectors/elsewhere.ts'
import { outageVectors } from './vectors/outages.ts'
import { requestVectors } from './vectors/requests.ts'
import { signatureVectors } from './vectors/signatures.ts'
import { spellingVectors } from './vectors/spellings.ts'
import { tokenTypeVectors } from './vectors/token-types.ts'

/** Requests to a guard of RFC 6750, each with its only right answer. */
export const guardVectors: readonly GuardVector[] = [
  ...credentialVectors,
  ...elsewhereVectors,
  ...tokenTypeVectors,
  ...signatureVectors,
  ...spellingVectors,
  ...claimVectors,
  ...requestVectors,
  ...outageVectors,
]
