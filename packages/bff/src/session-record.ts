import {
  isJsonObject,
  type JsonObject,
  parseJsonObjectText,
  readNumber,
  readString,
  readStrings,
  Secret,
} from '@arctos/core'

/** What is known of one browser's session besides its tokens, which lie in a cell of their own. Times are epoch seconds. */
export interface SessionRecord {
  readonly createdAt: number
  /** When it was last used, a little late. */
  readonly seenAt: number
  /** `begun` until the login is complete: no cookie leads there yet. */
  readonly status: 'begun' | 'open' | 'logged_out' | 'over'
  readonly scope: readonly string[]
  /** What the page may know of the user. */
  readonly user: JsonObject | undefined
}

/** A login that waits for its answer. */
export interface LoginRecord {
  readonly createdAt: number
  readonly returnTo: string
  /** What the client needs to finish it; gone once it was taken. */
  readonly pending: Secret | undefined
}

const format = 1
const statuses = ['begun', 'open', 'logged_out', 'over'] as const

export function formatSessionRecord({ createdAt, seenAt, status, scope, user }: SessionRecord): Secret {
  return new Secret(JSON.stringify({ format, created_at: createdAt, seen_at: seenAt, status, scope, user }))
}

/** Throws for what is no record: a session is not silently replaced by none. */
export function parseSessionRecord(text: Secret): SessionRecord {
  const json = parseText(text)
  const status = statuses.find((each) => each === json['status'])
  const createdAt = readNumber(json, 'created_at')
  const seenAt = readNumber(json, 'seen_at')
  const scope = Array.isArray(json['scope']) && json['scope'].length === 0 ? [] : readStrings(json, 'scope')
  const user = json['user']
  if (status === undefined || createdAt === undefined || seenAt === undefined || scope === undefined) throw damaged()
  return { createdAt, seenAt, status, scope, user: isJsonObject(user) ? user : undefined }
}

export function formatLoginRecord({ createdAt, returnTo, pending }: LoginRecord): Secret {
  return new Secret(JSON.stringify({ format, created_at: createdAt, return_to: returnTo, pending: pending?.reveal() }))
}

export function parseLoginRecord(text: Secret): LoginRecord {
  const json = parseText(text)
  const createdAt = readNumber(json, 'created_at')
  const returnTo = readString(json, 'return_to')
  const pending = readString(json, 'pending')
  if (createdAt === undefined || returnTo === undefined) throw damaged()
  return { createdAt, returnTo, pending: pending === undefined ? undefined : new Secret(pending) }
}

function parseText(text: Secret): JsonObject {
  const json = parseJsonObjectText(text.reveal())
  if (json === undefined || json['format'] !== format) throw damaged()
  return json
}

function damaged(): Error {
  return new Error('what the store of the BFF holds is damaged or of another version; it was left as it is')
}
