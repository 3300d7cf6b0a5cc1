import { badToken, bare, each, type GuardVector, good } from '../guard-vector.ts'

/** What a sender writes into headers for the proxies behind which it would like to be. None may change a decision. */
const claimedHeaders: readonly Readonly<Record<string, string>>[] = [
  { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
  { forwarded: 'for=127.0.0.1;host=evil.example;proto=http' },
  { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1' },
  { 'x-original-url': '/public', 'x-rewrite-url': '/public' },
  { 'x-forwarded-uri': '/public', 'x-forwarded-method': 'OPTIONS' },
  { 'x-forwarded-prefix': '/evil.example', 'x-forwarded-path': '/public' },
  { 'x-http-method-override': 'OPTIONS', 'x-method-override': 'HEAD' },
  { 'x-user': 'admin', 'x-auth-request-user': 'admin', 'remote-user': 'admin', 'x-forwarded-user': 'admin' },
  { 'x-jwt-payload': 'eyJzdWIiOiJhZG1pbiJ9', 'x-auth-request-email': 'admin@evil.example' },
  { host: 'evil.example' },
  { origin: 'https://evil.example', referer: 'https://evil.example/' },
  { 'x-middleware-subrequest': 'middleware:middleware:middleware:middleware:middleware' },
]

/** Spellings of the path that a router may map to the route after a guard saw something else. */
const pathSpellings: readonly ((path: string) => string)[] = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => `//other.example${path}`,
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => `/%2e${path}`,
  (path) => `/x/%2e%2e${path}`,
  (path) => path.toUpperCase(),
  (path) => `${path};x=1`,
  (path) => `${path}%20`,
  (path) => `${path}%00`,
  (path) => `${path}%2f`,
  (path) => `${path}.json`,
  (path) => `${path}?`,
  (path) => `${path}%3f`,
  (path) => `${path}..;/`,
  (path) => path.replace(/[a-z]$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
  (path) => path.replace('/', '/\\'),
  (path) => `${path}/.`,
  (path) => `${path}/x/..`,
]

/** Nothing around the credential decides: not what proxies would say, not who says to be asking, not another spelling of the path. */
export const requestVectors: readonly GuardVector[] = [
  ...each(
    claimedHeaders,
    (headers, number): GuardVector => ({
      id: `claimed-open-${number}`,
      title: `opens nothing for ${Object.keys(headers).join(', ')} [RFC 6750 §3.1(d), RFC 7239 §8.1]`,
      route: 'read',
      request: () => ({ headers }),
      expected: { ...bare, otherwise: [400, 403, 404, 421] },
    }),
  ),
  ...each(
    claimedHeaders,
    (headers, number): GuardVector => ({
      id: `claimed-bad-${number}`,
      title: `refuses a bad token alike beside ${Object.keys(headers).join(', ')} [RFC 9068 §4(d), RFC 7239 §8.1]`,
      route: 'read',
      request: ({ token }) => ({ headers, authorization: [`Bearer ${token({ aud: 'https://evil.example' })}`] }),
      expected: { ...badToken('token.audience'), otherwise: [400, 403, 404, 421] },
    }),
  ),
  ...each(
    ['kube-probe/1.34', 'GoogleHC/1.0', 'ELB-HealthChecker/2.0'],
    (agent, number): GuardVector => ({
      id: `probe-${number}`,
      title: `opens nothing for the health check ${agent} [RFC 6750 §3.1(d)]`,
      route: 'read',
      request: () => ({ headers: { 'user-agent': agent } }),
      expected: bare,
    }),
  ),
  ...each(
    pathSpellings,
    (path, number): GuardVector => ({
      id: `path-${number}`,
      title: `opens nothing under the path ${path('/read')} [RFC 3986 §6.2, RFC 6750 §3.1(d)]`,
      route: 'read',
      request: () => ({ path }),
      expected: { ...bare, otherwise: [301, 302, 307, 308, 400, 403, 404, 405] },
    }),
  ),
  ...each(
    ['application/json', 'text/html', 'image/png', '*/*;q=0', 'text/event-stream'],
    (accept, number): GuardVector => ({
      id: `accept-${number}`,
      title: `refuses alike whoever accepts ${accept} [RFC 6750 §3.1(d), RFC 6750 §3(a)]`,
      route: 'read',
      request: () => ({ headers: { accept } }),
      expected: bare,
    }),
  ),
  {
    id: 'cookies-broken',
    title: 'takes a good token beside cookies that are none [RFC 6265 §5.4]',
    route: 'read',
    request: (forge) => ({
      authorization: [`Bearer ${forge.good}`],
      headers: { cookie: `=; ;a=%zz; __proto__=1; ${'x=1; '.repeat(100)}` },
    }),
    expected: good,
  },
]
