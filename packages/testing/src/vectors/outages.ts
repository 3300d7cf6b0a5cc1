import { bearer, type GuardVector, unavailable } from '../guard-vector.ts'

/** Where the keys cannot be had, nobody can say that a token is bad. */
export const outageVectors: readonly GuardVector[] = [
  {
    id: 'outage-jwks',
    title: 'cannot decide while the keys cannot be loaded [RFC 9110 §15.6.4]',
    row: 22,
    route: 'read',
    outage: { of: 'jwks' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
  {
    id: 'outage-metadata',
    title: 'cannot decide while the metadata cannot be read [RFC 9110 §15.6.4]',
    row: 22,
    route: 'read',
    outage: { of: 'metadata' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
  {
    id: 'outage-jwks-html',
    title: 'cannot decide while a page comes in place of the keys [RFC 9110 §15.6.4, RFC 7517 §5]',
    route: 'read',
    outage: { of: 'jwks', how: 'page' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
  {
    id: 'outage-jwks-redirect',
    title: 'follows no redirect to keys elsewhere [RFC 9110 §15.6.4, RFC 9700 §2.1.5]',
    route: 'read',
    outage: { of: 'jwks', how: 'redirect' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
  {
    id: 'outage-metadata-foreign',
    title: 'believes no metadata of another issuer [RFC 8414 §3.3, RFC 9110 §15.6.4]',
    route: 'read',
    outage: { of: 'metadata', how: 'foreign' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
  {
    id: 'outage-metadata-page',
    title: 'cannot decide while a page comes in place of the metadata [RFC 9110 §15.6.4, RFC 8414 §3.2]',
    route: 'read',
    outage: { of: 'metadata', how: 'page' },
    request: bearer((forge) => forge.good),
    expected: unavailable,
  },
]
