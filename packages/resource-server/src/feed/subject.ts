import { isJsonObject, type JsonObject, type JsonValue, readString } from '@arctos/core'

/** What an event is about, in the terms of a guard; or why nothing here could match it. */
export type Target =
  | { readonly kind: 'token'; readonly jti: string }
  | { readonly kind: 'grant'; readonly grantId: string }
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'client'; readonly clientId: string }
  | { readonly kind: 'subject at client'; readonly subject: string; readonly clientId: string }
  | { readonly kind: 'actor'; readonly actor: string }
  | { readonly kind: 'all' }

export type NoTarget = { readonly why: 'subject_format' | 'subject_member' | 'subject_issuer' | 'subject_malformed' }

export interface SubjectContext {
  /** Whose tokens the events are about. */
  readonly issuer: string
  /** The members of a complex subject that must not be passed over, by the transmitter's word. */
  readonly critical: ReadonlySet<string>
}

/** A subject that was read. `widened` where a critical member was not understood, so that more is ended than was meant. */
export interface ReadSubject {
  readonly target: Target | NoTarget
  readonly widened: boolean
}

/** Reads `sub_id` in every form that says something about tokens. RFC 9493 §3, SSF 1.0 §3 */
export function readSubject(subject: JsonObject, context: SubjectContext): ReadSubject {
  if (readString(subject, 'format') === 'complex') return readComplex(subject, context)
  return { target: readSimple(subject, context), widened: false }
}

function readSimple(subject: JsonObject, { issuer }: SubjectContext): Target | NoTarget {
  const format = readString(subject, 'format')
  if (format !== 'iss_sub' && format !== 'jwt_id') return { why: 'subject_format' }
  if (readString(subject, 'iss') !== issuer) return { why: 'subject_issuer' }
  const name = readName(subject, format === 'iss_sub' ? 'sub' : 'jti', ['iss'])
  if (name === undefined) return { why: 'subject_malformed' }
  return format === 'iss_sub' ? { kind: 'subject', subject: name } : { kind: 'token', jti: name }
}

type Members = { [Name in keyof typeof readers]?: string }

/**
 * Every member has to be understood and equal, for a member that is passed over would end what was not meant. Only where the
 * transmitter calls it critical the other members decide alone: then ending too little would be worse. PROTOCOL §6
 */
function readComplex(subject: JsonObject, context: SubjectContext): ReadSubject {
  const members: Members = {}
  let widened = false
  for (const [name, value] of Object.entries(subject)) {
    if (name === 'format') continue
    const read = readMember(name, value, context)
    if (typeof read === 'string') members[name as keyof typeof readers] = read
    else if (read.why === 'subject_issuer' || !context.critical.has(name)) return { target: read, widened: false }
    else widened = true
  }
  return { target: combine(members), widened }
}

function readMember(name: string, value: JsonValue | undefined, context: SubjectContext): string | NoTarget {
  if (!Object.hasOwn(readers, name)) return { why: 'subject_member' }
  return isJsonObject(value) ? readers[name as keyof typeof readers](value, context) : { why: 'subject_malformed' }
}

const readers = {
  session: readOpaque,
  user(value: JsonObject, { issuer }: SubjectContext): string | NoTarget {
    if (readString(value, 'format') !== 'iss_sub') return { why: 'subject_format' }
    if (readString(value, 'iss') !== issuer) return { why: 'subject_issuer' }
    return readName(value, 'sub', ['iss']) ?? { why: 'subject_malformed' }
  },
  application: readOpaque,
  actor: readOpaque,
  tenant(value: JsonObject, { issuer }: SubjectContext): string | NoTarget {
    if (readString(value, 'format') !== 'uri') return { why: 'subject_format' }
    return readString(value, 'uri') === issuer ? issuer : { why: 'subject_issuer' }
  },
}

function readOpaque(value: JsonObject): string | NoTarget {
  if (readString(value, 'format') !== 'opaque') return { why: 'subject_format' }
  return readName(value, 'id', []) ?? { why: 'subject_malformed' }
}

/** The tenant is the issuer, which is equal for every token that is looked at. */
function combine({ session, user, application, actor, tenant }: Members): Target | NoTarget {
  if (actor !== undefined) {
    const isAlone = session === undefined && user === undefined && application === undefined
    return isAlone ? { kind: 'actor', actor } : { why: 'subject_member' }
  }
  // A grant is of one user at one client, so those say nothing more; and what was derived from it may be another client's.
  if (session !== undefined) return { kind: 'grant', grantId: session }
  if (user !== undefined && application !== undefined) {
    return { kind: 'subject at client', subject: user, clientId: application }
  }
  if (user !== undefined) return { kind: 'subject', subject: user }
  if (application !== undefined) return { kind: 'client', clientId: application }
  return tenant === undefined ? { why: 'subject_member' } : { kind: 'all' }
}

const nameLimit = 512

/** @param others what the format has besides; a member that it does not have could narrow what is meant (RFC 9493 §3) */
function readName(object: JsonObject, name: string, others: readonly string[]): string | undefined {
  const value = readString(object, name)
  if (!Object.keys(object).every((each) => each === 'format' || each === name || others.includes(each)))
    return undefined
  return value !== undefined && value !== '' && value.length <= nameLimit ? value : undefined
}
