import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type GuardRequest, resourceServer } from '@arctos/resource-server'
import { type Forge, type GuardVector, guardVectors, type TestKey } from '@arctos/testing'
import { audience, scope, type TokenSet } from '../verify/tokens.ts'
import type { BenchIssuer } from './issuer.ts'

/** A request that a guard has to refuse. */
export interface Attack {
  readonly id: string
  readonly request: GuardRequest & { readonly body: string | undefined }
}

/** Every vector of the acceptance suite that is no good request, and a few that are as large as they may be. */
export function attacks(issuer: BenchIssuer): readonly Attack[] {
  const forge = createForge(issuer.issuer, issuer.tokens.ES256)
  const isAttack = ({ expected, outage }: GuardVector): boolean => expected.status !== 200 && outage === undefined
  const known = guardVectors.filter(isAttack).map(({ id, method, route, request }) => {
    const { authorization, headers, query, body } = request(forge)
    return attack(id, authorization ?? [], {
      headers,
      query,
      body,
      method: method ?? (route === 'form' ? 'POST' : 'GET'),
    })
  })
  const bearer = (id: string, token: string): Attack => attack(id, [`Bearer ${token}`])
  const signature = 'A'.repeat(86)
  const part = (text: string): string => Buffer.from(text).toString('base64url')
  const header = part(JSON.stringify(forge.header()))
  return [
    ...known,
    bearer('8 KB of dots', '.'.repeat(8_192)),
    bearer('8 KB of letters', 'A'.repeat(8_192)),
    bearer('64 KB', 'A'.repeat(65_536)),
    bearer('8 KB of nested arrays', `${header}.${part(`{"a":${'['.repeat(2_900)}${']'.repeat(2_900)}}`)}.${signature}`),
    bearer('a header of nested arrays', `${part(`{"a":${'['.repeat(2_900)}${']'.repeat(2_900)}}`)}.e30.${signature}`),
    bearer('8 KB of members', `${header}.${part(`{${members(700)}}`)}.${signature}`),
    bearer('8 KB of quotes', `${header}.${part(`{"a":"${'\\"'.repeat(2_850)}"}`)}.${signature}`),
    bearer('8 KB of digits', `${header}.${part(`{"iss":"${issuer.issuer}","exp":${'9'.repeat(5_500)}}`)}.${signature}`),
    bearer('1,900 scopes', forge.token({ aud: 'other', scope: 'a '.repeat(1_900) })),
  ]
}

function members(count: number): string {
  return Array.from({ length: count }, (_, index) => `"${index}":1`).join(',')
}

function attack(
  id: string,
  authorization: readonly string[],
  rest: { headers?: object | undefined; query?: string | undefined; body?: string | undefined; method?: string } = {},
): Attack {
  const { headers = {}, query = '', body, method = 'GET' } = rest
  return { id, request: { method, url: `/cold${query}`, headers: { ...headers, authorization }, body } }
}

/** The attack as bytes for the wire. */
export function wireText({ request }: Attack): string {
  const { authorization, ...headers } = request.headers as Record<string, string | readonly string[]>
  const lines = [
    ...(authorization as readonly string[]).map((value) => `authorization: ${value}`),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(request.body === undefined ? [] : [`content-length: ${Buffer.byteLength(request.body)}`]),
  ]
  const head = `${request.method} ${request.url} HTTP/1.1\r\nhost: localhost\r\n`
  return `${head}${lines.map((line) => `${line}\r\n`).join('')}\r\n${request.body ?? ''}`
}

/** µs of CPU time for each attack, with nothing remembered between two. */
export async function costsOfAttacks(issuer: BenchIssuer): Promise<ReadonlyMap<string, number>> {
  const api = resourceServer({
    resource: audience,
    authorizationServers: [issuer.issuer],
    scopes: { [scope]: 'Read notes', 'notes:delete': 'Delete notes' },
    verifiedTokens: { size: 0 },
    journal: () => {},
  })
  await api.reload()
  const decide = api.guard({ scope: 'notes:delete' })
  const costs = new Map<string, number>()
  for (const { id, request } of attacks(issuer)) {
    const each: number[] = []
    for (let turn = 0; turn < rounds; turn++) {
      const before = process.cpuUsage()
      // Together, for those that name an unknown key wait for their turn to ask the issuer.
      const decisions = await Promise.all(Array.from({ length: repeats }, () => decide(request)))
      if (decisions.some(({ ok }) => ok)) throw new Error(`${id} was let in`)
      const { user, system } = process.cpuUsage(before)
      each.push((user + system) / repeats)
    }
    // The first time compiles.
    costs.set(id, Math.min(...each.slice(1)))
  }
  return costs
}

const rounds = 3
const repeats = 50

function createForge(issuer: string, { tokens, privateKey, publicKey, jwk }: TokenSet): Forge {
  const good = (tokens[0] as Buffer).toString('latin1')
  const key: TestKey = { kid: jwk.kid, algorithm: 'ES256', privateKey, publicKey, jwk }
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const stranger: TestKey = { ...key, ...pair, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid: jwk.kid } }
  const [head = '', payload = ''] = good.split('.')
  const read = (part: string): object => JSON.parse(Buffer.from(part, 'base64url').toString()) as object
  const seconds = (): number => Math.floor(Date.now() / 1_000)
  const claims: Forge['claims'] = (overrides = {}) => ({
    ...read(payload),
    iat: seconds(),
    exp: seconds() + 300,
    ...overrides,
  })
  const header: Forge['header'] = (overrides = {}) => ({ ...read(head), ...overrides })
  return {
    issuer,
    resource: audience,
    good,
    key,
    stranger,
    scopes: { read: scope, write: 'notes:delete' },
    seconds,
    trapUrl: (name) => `${issuer}/trap/${name}`,
    claims,
    header,
    token(claimOverrides = {}, headerOverrides = {}, signer = key) {
      const named = header({ alg: signer.algorithm, kid: signer.kid, ...headerOverrides })
      const input = [named, claims(claimOverrides)]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.')
      return `${input}.${signatureOf(Buffer.from(input), signer).toString('base64url')}`
    },
  }
}

function signatureOf(input: Buffer, { algorithm, privateKey: key }: TestKey): Buffer {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  if (algorithm === 'ES256') return sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
  return sign(isRsa(key) ? 'sha256' : null, input, algorithm === 'PS256' ? { key, ...pss } : key)
}

function isRsa({ asymmetricKeyType }: KeyObject): boolean {
  return asymmetricKeyType === 'rsa'
}
