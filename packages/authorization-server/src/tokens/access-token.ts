import {
  createTurnBatch,
  encodeHeader,
  formatScope,
  Secret,
  type Settled,
  type SigningKey,
  signCompactJws,
} from '@arctos/core'
import type { KeyRing } from '../keys/key-ring.ts'
import type { IssuedAccess } from '../store/verbs/access.ts'

/** Turns what a transaction issued into the token itself. */
export type AccessTokenWriter = (access: IssuedAccess) => Promise<Secret>

/**
 * Writes access tokens. The JWTs that one transaction issued are signed in one tight loop: between other work a signature costs
 * about twice as much.
 */
export function createAccessTokenWriter(issuer: string, keys: KeyRing): AccessTokenWriter {
  const headers = new Map<string, string>()

  const headerOf = (key: SigningKey, typ: string): string => {
    const name = `${key.kid} ${typ}`
    let header = headers.get(name)
    if (header === undefined) {
      header = encodeHeader(key, typ)
      headers.set(name, header)
    }
    return header
  }

  const signAll = (jobs: readonly JwtOrder[]): readonly Settled<Secret>[] => {
    const key = keys.signingKey()
    return jobs.map(({ access, typ }) => {
      const token = signCompactJws(headerOf(key, typ), JSON.stringify(claimsOf(issuer, access)), key)
      return { ok: true, value: new Secret(token) }
    })
  }
  const batch = createTurnBatch<JwtOrder, Secret>({ run: signAll, schedule: queueMicrotask, limit: 64 })

  return (access) =>
    access.form.format === 'opaque' ? Promise.resolve(access.form.token) : batch.add({ access, typ: access.form.typ })
}

interface JwtOrder {
  readonly access: IssuedAccess
  readonly typ: 'at+jwt' | 'JWT'
}

/** The claims of a JWT access token. RFC 9068 §2.2, PROTOCOL §5 */
function claimsOf(issuer: string, access: IssuedAccess): object {
  const { audience } = access
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
    auth_time: access.authenticatedAt,
  }
}
