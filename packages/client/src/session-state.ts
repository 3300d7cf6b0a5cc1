import {
  isJsonObject,
  type JsonObject,
  parseJsonObjectText,
  readNumber,
  readString,
  readStrings,
  Secret,
} from '@arctos/core'
import { ClientError } from './errors.ts'
import type { HeldToken } from './token-answer.ts'

/** Everything that a session has to remember between two runs of a program. */
export interface SessionState {
  /** Tokens are only ever sent to the issuer that gave them, by the client it gave them to. */
  readonly issuer: string
  readonly clientId: string
  /** What the user granted. */
  readonly scope: readonly string[]
  readonly refreshToken: Secret | undefined
  /** One access token for each resource, by resource identifier. */
  readonly accessTokens: Readonly<Record<string, HeldToken>>
  /** What the user was asked about, for when more has to be asked; absent in texts of before it was kept. */
  readonly asked?: { readonly resources: readonly string[]; readonly scope: readonly string[] } | undefined
  /** Set before the refresh token is sent, taken away with the answer: who sent it, and when (epoch seconds). */
  readonly renewal?: { readonly owner: string; readonly since: number } | undefined
  /** Why it is over. It is marked and kept, not deleted, so that nobody takes a lost session for one that never was. */
  readonly ended: 'invalid_grant' | 'revoked' | undefined
}

const format = 1
/** What a text that is sealed begins with. */
export const sealedMark = 'arctos-sealed-1.'

/** The text that a store keeps. */
export function formatSessionState(state: SessionState): Secret {
  const { issuer, clientId, scope, refreshToken, accessTokens, asked, renewal, ended } = state
  const tokens = Object.entries(accessTokens).map(([resource, held]) => ({
    resource,
    token: held.token.reveal(),
    scope: held.scope,
    obtained_at: held.obtainedAt,
    expires_at: held.expiresAt,
  }))
  const members = { format, issuer, client_id: clientId, scope, ended, refresh_token: refreshToken?.reveal() }
  return new Secret(JSON.stringify({ ...members, asked, renewal, tokens }))
}

/**
 * Reads what a store kept. Throws `store_refused` for a text that is damaged or belongs to another client: a session is not
 * silently replaced by none.
 */
export function parseSessionState(text: Secret, issuer: string, clientId: string): SessionState {
  if (text.reveal().startsWith(sealedMark)) {
    throw damaged('was sealed with a key that is not, or no longer, at hand. A new login replaces it')
  }
  const json = parseJsonObjectText(text.reveal())
  if (json === undefined || json['format'] !== format) throw damaged('is not a session, or one of another version')
  if (json['issuer'] !== issuer || json['client_id'] !== clientId)
    throw damaged('is the session of another client or issuer')
  const tokens = json['tokens']
  if (!Array.isArray(tokens)) throw damaged('has no list of tokens')
  const ended = json['ended']
  if (ended !== undefined && ended !== 'invalid_grant' && ended !== 'revoked') throw damaged('ended in an unknown way')
  const refreshToken = readString(json, 'refresh_token')
  return {
    issuer,
    clientId,
    scope: readWords(json),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    accessTokens: Object.fromEntries(tokens.map(readHeldToken)),
    asked: readAsked(json['asked']),
    renewal: readRenewal(json['renewal']),
    ended,
  }
}

function readHeldToken(json: unknown): [string, HeldToken] {
  if (!isJsonObject(json)) throw damaged('has a token that is not an object')
  const resource = readString(json, 'resource')
  const token = readString(json, 'token')
  const obtainedAt = readNumber(json, 'obtained_at')
  if (resource === undefined || token === undefined || obtainedAt === undefined) throw damaged('has half a token')
  const expiresAt = readNumber(json, 'expires_at')
  return [resource, { token: new Secret(token), scope: readWords(json), obtainedAt, expiresAt }]
}

function readAsked(json: unknown): SessionState['asked'] {
  if (json === undefined) return undefined
  const resources = isJsonObject(json) ? readStrings(json, 'resources') : undefined
  if (!isJsonObject(json) || resources === undefined) throw damaged('has half of what was asked')
  return { resources, scope: readWords(json) }
}

function readRenewal(json: unknown): SessionState['renewal'] {
  if (json === undefined) return undefined
  const owner = isJsonObject(json) ? readString(json, 'owner') : undefined
  const since = isJsonObject(json) ? readNumber(json, 'since') : undefined
  if (owner === undefined || since === undefined) throw damaged('has half a note of a renewal')
  return { owner, since }
}

function readWords(json: JsonObject): readonly string[] {
  const scope = json['scope']
  if (Array.isArray(scope) && scope.length === 0) return []
  const words = readStrings(json, 'scope')
  if (words === undefined) throw damaged('has no scope')
  return words
}

function damaged(what: string): ClientError {
  return new ClientError('store_refused', `what the store holds ${what} (it was left as it is)`)
}
