import { type FuzzIssuer, resource } from './fuzz-issuer.ts'

/** For each claim that decides: whether a value of it must keep a token out. Written down apart from the guard's own checks. */
export const isBroken: Readonly<Record<string, (value: unknown, nowSeconds: number) => boolean>> = {
  iss: (value) => value !== 'https://as.example.com',
  aud: (value) => value !== resource && !(Array.isArray(value) && value.includes(resource)),
  exp: (value, now) => typeof value !== 'number' || value < now - 60,
  iat: (value, now) => typeof value !== 'number' || value > now + 60 || value < 0,
  nbf: (value, now) => value !== undefined && (typeof value !== 'number' || value > now + 60),
  sub: (value) => typeof value !== 'string' || value === '',
  client_id: (value) => typeof value !== 'string' || value === '',
  jti: (value) => typeof value !== 'string' || value === '',
  scope: (value) => typeof value !== 'string' || !value.split(' ').includes('read'),
  cnf: (value) => value !== undefined,
}

/** The same for members of the header. */
export const isBrokenHeader: Readonly<Record<string, (value: unknown, issuer: FuzzIssuer) => boolean>> = {
  alg: (value) => value !== 'EdDSA' && value !== 'Ed25519',
  kid: (value, { kid }) => value !== kid,
  typ: (value) => typeof value !== 'string' || !/^(application\/)?at\+jwt$/i.test(value),
  crit: (value) => value !== undefined,
}

/** Whether a text still says the same as it did, to a reader that takes the last of two equal names. */
export function saysTheSame(text: string, original: object): boolean {
  try {
    return JSON.stringify(sorted(JSON.parse(text))) === JSON.stringify(sorted(original))
  } catch {
    return false
  }
}

function sorted(value: object): unknown {
  return Object.entries(value ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Whether what was garbled is none of what decides: an added member, say, or another word of the scope. */
export function isHarmless(text: string, isHeader: boolean, nowSeconds: number, issuer: FuzzIssuer): boolean {
  try {
    const members = JSON.parse(text) as Record<string, unknown>
    if (typeof members !== 'object' || members === null || Array.isArray(members)) return false
    return isHeader
      ? Object.entries(isBrokenHeader).every(([name, broken]) => !broken(members[name], issuer))
      : Object.entries(isBroken).every(([name, broken]) => !broken(members[name], nowSeconds))
  } catch {
    return false
  }
}
