import { isJsonObject, type JsonObject } from './json.ts'

/** Somebody who acts for the subject of a token. It has a subject or a client id, often both. RFC 8693 §4.1 */
export interface Actor {
  readonly subject: string | undefined
  readonly clientId: string | undefined
  /** Who names the actor, where that is not the issuer of the token. */
  readonly issuer: string | undefined
}

const depthLimit = 8
const nameLimit = 512
const none: readonly Actor[] = Object.freeze([])

/**
 * Reads `act`: who acts now comes first, and after that whoever acted before, back to the first. Frozen; empty where nobody acts
 * for the subject. `undefined` for a claim that is malformed or deeper than 8 levels. Members that name nobody (`exp`, `aud`)
 * mean nothing here. RFC 8693 §4.1
 */
export function readActors(claims: JsonObject): readonly Actor[] | undefined {
  let act = claims['act']
  if (act === undefined) return none
  const actors: Actor[] = []
  while (act !== undefined) {
    if (!isJsonObject(act) || actors.length === depthLimit) return undefined
    const { sub, client_id: clientId, iss: issuer } = act
    if (!isName(sub) || !isName(clientId) || !isName(issuer)) return undefined
    if (sub === undefined && clientId === undefined) return undefined
    actors.push(Object.freeze({ subject: sub, clientId, issuer }))
    act = act['act']
  }
  return Object.freeze(actors)
}

function isName(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && value.length > 0 && value.length <= nameLimit)
}
