import type { KeyObject } from 'node:crypto'
import {
  decodeBase64url,
  encodeBase64url,
  equalInConstantTime,
  hmacSha256,
  isJsonObject,
  parseJsonObject,
  Refusal,
  readNumber,
  readString,
} from '@arctos/core'

/** What a form is for; the proof for one is none for another. */
export type FormPurpose =
  | 'sign-in'
  | 'consent'
  | 'sign-out'
  | 'withdraw'
  | 'password'
  | 'user-code'
  | 'device'
  | 'new-token'
  | 'end-token'

/** What a form of ours brings back, unaltered. */
export interface FormContent {
  /** Names this very form, for those that count once. */
  readonly id: string
  /** Epoch seconds. */
  readonly expiresAt: number
  /** Hash of the session in which it was shown; empty when nobody was signed in. */
  readonly session: string
  readonly data: Readonly<Record<string, string>>
}

const lengthLimit = 40_000

/**
 * Proves that a form comes from our own page in one browser, and holds what it is about (RFC 9700 §4.7.1,
 * RFC 6749 §10.12). No other site can read it, another browser's cookie does not fit it, and what is in it cannot be
 * altered.
 *
 * @param browser value of the browser's own cookie
 */
export function sealForm(key: KeyObject, browser: string, purpose: FormPurpose, content: FormContent): string {
  const { id, expiresAt, session, data } = content
  const payload = encodeBase64url(JSON.stringify({ i: id, e: expiresAt, s: session, d: data }))
  return `${payload}.${encodeBase64url(tagOf(key, browser, purpose, payload))}`
}

/** Reads what {@link sealForm} made for this browser and purpose. Throws `page.forged_form` for anything else. */
export function openForm(
  key: KeyObject,
  browser: string,
  purpose: FormPurpose,
  proof: string | undefined,
  now: number,
): FormContent {
  const [payload = '', tag = '', ...rest] = proof !== undefined && proof.length <= lengthLimit ? proof.split('.') : []
  const received = decodeBase64url(tag)
  const genuine = rest.length === 0 && received && equalInConstantTime(received, tagOf(key, browser, purpose, payload))
  if (!genuine) throw new Refusal('page.forged_form', { check: 'form', expected: `one of this browser for ${purpose}` })
  const content = parseJsonObject(Buffer.from(payload, 'base64url')) ?? {}
  const expiresAt = readNumber(content, 'e') ?? 0
  if (expiresAt <= now) {
    throw new Refusal('page.forged_form', { check: 'age of the form', expected: `before ${expiresAt}`, received: now })
  }
  const data = content['d']
  return {
    id: readString(content, 'i') ?? '',
    expiresAt,
    session: readString(content, 's') ?? '',
    data: isJsonObject(data) ? (data as Readonly<Record<string, string>>) : {},
  }
}

/** Whether who signed in again is who was signed in before, as far as this browser knew anybody. */
export type SignedInUser = 'same' | 'another'

/** Proves to ourselves that a session was opened for one request: it then need not ask for a sign-in again. */
export function sealSignIn(key: KeyObject, session: string, query: string, user: SignedInUser): string {
  return encodeBase64url(hmacSha256(key, `signed in, ${user} user\n`, session, '\n', query))
}

/** What {@link sealSignIn} proved for this session and request; `undefined` for anything else. */
export function readSignInProof(
  key: KeyObject,
  session: string,
  query: string,
  proof: string,
): SignedInUser | undefined {
  const users = ['same', 'another'] as const
  return users.find((user) =>
    equalInConstantTime(Buffer.from(proof), Buffer.from(sealSignIn(key, session, query, user))),
  )
}

// Neither a purpose nor a browser's id nor base64url holds a newline.
function tagOf(key: KeyObject, browser: string, purpose: FormPurpose, payload: string): Buffer {
  return hmacSha256(key, 'form\n', purpose, '\n', browser, '\n', payload)
}

/**
 * Refuses a form that another site sent. Our pages send no referrer, and then browsers say `Origin: null`; so that is
 * no sign of another site, and `Sec-Fetch-Site` decides. What has neither is no browser, or one so old that the cookie
 * has to do.
 *
 * @param issuer whose origin our own pages may have
 */
export function checkSameOrigin(headers: Headers, issuer: string): void {
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const foreignSite = site !== null && site !== 'same-origin' && site !== 'none'
  const foreignOrigin = origin !== null && origin !== 'null' && origin !== new URL(issuer).origin && site === null
  if (foreignSite || foreignOrigin) {
    const received = `${site ?? ''} ${origin ?? ''}`.trim().slice(0, 60)
    throw new Refusal('page.forged_form', { check: 'origin', expected: 'our own pages', received })
  }
}
