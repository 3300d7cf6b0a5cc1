import {
  encodeHeader,
  formatScope,
  Secret,
  type SigningKey,
  signCompactJws,
  signCompactJwsAsync,
  signSharedSecretJws,
} from '@arctos/core'
import type { KeyRing } from '../keys/key-ring.ts'
import type { IssuedAccess } from '../store/verbs/access.ts'

/** Turns what a transaction issued into the token itself. */
export type AccessTokenWriter = (access: IssuedAccess) => Promise<Secret>

/** Signatures hold the event loop this long at a time, then other work has its turn (milliseconds). */
const loopBudget = 4

/**
 * Writes access tokens. The JWTs that one transaction issued are signed in one tight loop: between other work a signature costs
 * about twice as much. RSA goes to the thread pool.
 *
 * @param statusListUri the address of a status list; absent where there are none
 */
export function createAccessTokenWriter(
  issuer: string,
  keys: Pick<KeyRing, 'signingKey' | 'sharedSecretOf' | 'maintain'>,
  statusListUri?: ((list: string) => string) | undefined,
): AccessTokenWriter {
  const headerOf = createHeaders()
  const textOf = (access: IssuedAccess): string => JSON.stringify(claimsOf(issuer, access, statusListUri))
  let waiting: JwtOrder[] = []
  let scheduled = false

  const add = (order: JwtOrder): void => {
    waiting.push(order)
    if (scheduled) return
    scheduled = true
    queueMicrotask(signWaiting)
  }

  const signWaiting = (): void => {
    const until = performance.now() + loopBudget
    let done = 0
    for (const order of waiting) {
      sign(order)
      done++
      if (performance.now() >= until) break
    }
    waiting = waiting.slice(done)
    scheduled = waiting.length > 0
    if (scheduled) setImmediate(signWaiting)
  }

  const sign = ({ access, typ, resolve, reject }: JwtOrder): void => {
    try {
      const key = keys.signingKey()
      const [header, claims] = [headerOf(key, typ), textOf(access)]
      if (key.key.asymmetricKeyType !== 'rsa') resolve(new Secret(signCompactJws(header, claims, key)))
      else signCompactJwsAsync(header, claims, key).then((token) => resolve(new Secret(token)), reject)
    } catch (error) {
      reject(error)
    }
  }

  /** An HMAC costs a microsecond: nothing to gather. A resource may be younger than what this node has read of the keys. */
  const signWithSecret = async (access: IssuedAccess, typ: string, resourceKey: string): Promise<Secret> => {
    if (keys.sharedSecretOf(resourceKey) === undefined) await keys.maintain()
    const key = keys.sharedSecretOf(resourceKey)
    if (key === undefined) throw new Error(`there is no shared secret for ${resourceKey}`)
    return new Secret(signSharedSecretJws(typ, textOf(access), key))
  }

  return (access) => {
    const { form } = access
    if (form.format === 'opaque') return Promise.resolve(form.token)
    if (form.secretOf !== undefined) return signWithSecret(access, form.typ, form.secretOf)
    return new Promise((resolve, reject) => add({ access, typ: form.typ, resolve, reject }))
  }
}

interface JwtOrder {
  readonly access: IssuedAccess
  readonly typ: 'at+jwt' | 'JWT'
  readonly resolve: (token: Secret) => void
  readonly reject: (error: unknown) => void
}

/** Headers depend on key and kind only: each is encoded once. */
function createHeaders(): (key: SigningKey, typ: string) => string {
  const headers = new Map<string, string>()
  return (key, typ) => {
    const name = `${key.kid} ${typ}`
    let header = headers.get(name)
    if (header === undefined) {
      header = encodeHeader(key, typ)
      headers.set(name, header)
    }
    return header
  }
}

/** The claims of a JWT access token. RFC 9068 §2.2, PROTOCOL §5 */
function claimsOf(issuer: string, access: IssuedAccess, statusListUri?: (list: string) => string): object {
  const { audience, status } = access
  return {
    iss: issuer,
    sub: access.subject,
    aud: audience.length === 1 ? audience[0] : audience,
    exp: access.expiresAt,
    iat: access.issuedAt,
    jti: access.jti,
    client_id: access.clientId,
    scope: formatScope(access.scopes) || undefined,
    grant_id: access.grantId,
    // RFC 9470 §6.1
    auth_time: access.authenticatedAt,
    acr: access.acr,
    // draft-ietf-oauth-status-list-21 §6.2
    status: status && statusListUri && { status_list: { idx: status.index, uri: statusListUri(status.list) } },
  }
}
