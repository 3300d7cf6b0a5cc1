import { freezeClaims, isJsonObject, type JsonObject } from './json.ts'

/** One thing that was granted, in the words of its type. RFC 9396 §2 */
export interface AuthorizationDetail extends JsonObject {
  readonly type: string
}

const countLimit = 64
const typeLimit = 512
const none: readonly AuthorizationDetail[] = Object.freeze([])

/**
 * Reads `authorization_details` of a token: objects with a type each, at most 64. Frozen all the way down; empty where the claim
 * is absent, `undefined` where it is malformed. RFC 9396 §9.1, RFC 9396 §2
 */
export function readAuthorizationDetails(claims: JsonObject): readonly AuthorizationDetail[] | undefined {
  const details = claims['authorization_details']
  if (details === undefined) return none
  if (!Array.isArray(details) || details.length > countLimit || !details.every(isDetail)) return undefined
  for (const detail of details) freezeClaims(detail)
  return Object.freeze(details)
}

function isDetail(value: unknown): value is AuthorizationDetail {
  const type = isJsonObject(value) ? value['type'] : undefined
  return typeof type === 'string' && type.length > 0 && type.length <= typeLimit
}
