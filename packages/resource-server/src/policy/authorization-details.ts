import type { AccessToken, AuthorizationDetail } from '@arctos/core'
import type { PolicyCheck } from './demand.ts'
import { type MemberRule, readMemberRules } from './member-rule.ts'
import { checkMembers, isPlain, policyMistake, readWords } from './mistake.ts'

/**
 * Something that must have been granted. One object of the token has to hold all of it, for the members of one object belong
 * together (RFC 9396 §2.2): `read` here and `write` there is not `write` here. A member that the object does not have is not
 * granted.
 */
export interface DetailsPolicy {
  readonly type: string
  /** Each of these must be in the list of the same name. */
  readonly actions?: string | readonly string[]
  readonly locations?: string | readonly string[]
  readonly datatypes?: string | readonly string[]
  readonly privileges?: string | readonly string[]
  readonly identifier?: string
  /** What the members of the type's own must be, by path: `{ 'instructedAmount.amount': { atLeast: 100 } }`. */
  readonly members?: Readonly<Record<string, MemberRule>>
}

/** One part of what is demanded of an object, with a name that explains it. */
interface Part {
  readonly name: string
  readonly holds: (detail: AuthorizationDetail) => boolean
}

interface Wanted {
  readonly type: string
  readonly parts: readonly Part[]
}

const lists = ['actions', 'locations', 'datatypes', 'privileges'] as const
const names = ['type', ...lists, 'identifier', 'members']

/**
 * Whether a token holds what a call needs, by its own arguments: `holdsAuthorizationDetails(access, { type: 'payment', actions:
 * 'initiate', members: { 'instructedAmount.amount': { atLeast: args.amount } } })`. Throws a TypeError for a demand that is none,
 * as for an argument that was never checked and is `undefined`. RFC 9396 §9
 */
export function holdsAuthorizationDetails(
  access: Pick<AccessToken, 'authorizationDetails'>,
  wanted: DetailsPolicy,
): boolean {
  return holds(access.authorizationDetails, readWanted(wanted))
}

/** What a route asks of `authorization_details`: one demand, or several that are all made. RFC 9396 §9 */
export function readDetailsPolicy(policy: unknown): readonly PolicyCheck[] {
  const demands: readonly unknown[] = Array.isArray(policy) ? policy : [policy]
  if (demands.length === 0) throw policyMistake('authorizationDetails', policy, 'are demands with a type each')
  return demands.map((each) => {
    const wanted = readWanted(each)
    // Names only: what a call is about (an amount, an account) is nobody's business but its own.
    const expected = [wanted.type, ...wanted.parts.map((part) => part.name)].join(' ').slice(0, 120)
    return ({ authorizationDetails: granted }, judge) => {
      const isHeld = holds(granted, wanted)
      const received = isHeld ? wanted.type : describe(granted, wanted)
      judge('authorization details', isHeld, 'token.authorization_details', expected, received)
    }
  })
}

function readWanted(policy: unknown): Wanted {
  const member = 'authorizationDetails'
  if (!isPlain(policy)) throw policyMistake(member, policy, `is an object with ${names.join(', ')}`)
  checkMembers(policy, names, member)
  const { type, identifier, members } = policy
  if (typeof type !== 'string' || type === '') throw policyMistake(`${member}.type`, type, 'is the name of a type')
  const parts: Part[] = []
  for (const name of lists) {
    if (policy[name] !== undefined)
      parts.push(listPart(name, readWords(policy[name], `${member}.${name}`, 'are texts')))
  }
  if (identifier !== undefined) {
    if (typeof identifier !== 'string') throw policyMistake(`${member}.identifier`, identifier, 'is a text')
    parts.push({ name: 'identifier', holds: (detail) => detail['identifier'] === identifier })
  }
  if (members !== undefined) parts.push(...readMemberRules(members, `${member}.members`))
  return { type, parts }
}

/** Texts are equal when their characters are; nothing is trimmed, folded or normalized. RFC 9396 §12(b) */
function listPart(name: string, words: readonly string[]): Part {
  return {
    name: `${name}=${words.join(',')}`,
    holds: ({ [name]: granted }) => Array.isArray(granted) && words.every((word) => granted.includes(word)),
  }
}

function holds(granted: readonly AuthorizationDetail[], { type, parts }: Wanted): boolean {
  return granted.some((detail) => detail.type === type && parts.every((part) => part.holds(detail)))
}

/** What is missing in each object of the type; without any, which types there are. */
function describe(granted: readonly AuthorizationDetail[], { type, parts }: Wanted): string {
  const candidates = granted.filter((detail) => detail.type === type)
  const texts =
    candidates.length > 0
      ? candidates.map((detail) => `without ${parts.find((part) => !part.holds(detail))?.name}`)
      : granted.map((detail) => detail.type)
  return texts.length === 0 ? 'none' : texts.join('; ').slice(0, 120)
}
