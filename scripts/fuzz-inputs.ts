import type { FuzzIssuer } from './fuzz-issuer.ts'
import { isBroken, isBrokenHeader, isHarmless, saysTheSame } from './fuzz-oracle.ts'
import type { Chance } from './fuzz-random.ts'

/** One request to a guard, and whether it may let it in. */
export interface FuzzInput {
  readonly strategy: string
  readonly method: string
  /** Behind the path: empty, or from the question mark on. */
  readonly query: string
  readonly authorization: readonly string[]
  /** `must`: an unmodified token, as it has to come; `may`: says the same in another way; `never`: everything else. */
  readonly letIn: 'must' | 'may' | 'never'
}

/** What the inputs of one round are made from. */
export interface Material {
  readonly issuer: FuzzIssuer
  readonly nowSeconds: number
  /** Good tokens. */
  readonly tokens: readonly string[]
}

type Strategy = (chance: Chance, material: Material) => Omit<FuzzInput, 'strategy'>

const plain = { method: 'GET', query: '' } as const
const present = (token: string, letIn: FuzzInput['letIn'] = 'never') => ({
  ...plain,
  authorization: [`Bearer ${token}`],
  letIn,
})

const tokenCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/='
const jsonPieces = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\\',
  ' ',
  '\n',
  '\u0000',
  '1e999',
  'null',
  'true',
  '-0',
  '\\u0000',
  '\ufeff',
  '/*',
  '"iss":',
  '"aud":"',
  '"exp":',
  '"__proto__":',
  '{"a":',
  'é',
  '\ud800',
]
const words = [
  '',
  ' ',
  '*',
  'none',
  'HS256',
  'RS256',
  'ES256',
  'EdDSA',
  'PS256',
  'JWT',
  'at+jwt',
  'dpop+jwt',
  '__proto__',
  'constructor',
  'https://api.example.com',
  'https://api.example.com/',
  'https://as.example.com',
  'https://as.example.com/',
  'user-1',
  'read',
  'write',
  '../../etc/passwd',
  "' OR 1=1 --",
  '\u0000',
  'x'.repeat(600),
  '\ud83d\udd11',
]

/** Any JSON value, a few levels deep at the most. */
function anyValue(chance: Chance, depth = 3): unknown {
  switch (chance.below(depth === 0 ? 6 : 9)) {
    case 0:
      return null
    case 1:
      return chance.oneIn(2)
    case 2:
      return chance.pick([0, -1, 1, 1e300, -1e300, 2 ** 31, 2 ** 53, 1.5, -0, 253_402_300_800])
    case 3:
    case 4:
    case 5:
      return chance.pick(words)
    case 6:
      return Array.from({ length: chance.below(4) }, () => anyValue(chance, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: chance.below(4) }, () => [chance.pick(words), anyValue(chance, depth - 1)]),
      )
  }
}

/** Changes a text in a few places: characters turned, put in, taken out, doubled, moved. */
function garble(chance: Chance, text: string, pieces: readonly string[] | string): string {
  let garbled = text
  for (let edits = 1 + chance.below(3); edits > 0; edits--) {
    const at = chance.below(garbled.length + 1)
    const piece = pieces[chance.below(pieces.length)] ?? ''
    const length = chance.oneIn(8) ? chance.below(60) : 1
    const head = garbled.slice(0, at)
    const cut = garbled.slice(at, at + length)
    const tail = garbled.slice(at + length)
    garbled = chance.pick([
      () => head + piece + tail,
      () => head + piece + cut + tail,
      () => head + tail,
      () => head + cut + cut + tail,
      () => tail + head + cut,
    ])()
  }
  return garbled
}

const schemes = ['Bearer', 'bearer', 'BEARER', 'Basic', 'DPoP', 'Bearer,', 'Bear er', '', 'Token', 'Bearer:']
const gaps = [' ', '  ', '\t', '', ' \t', '\u00a0', ', ']
const queries = [
  '',
  '?',
  '?a=1',
  '?access_token=x',
  '?access%5Ftoken=x',
  '?ACCESS_TOKEN=x',
  '?a=1&access_token',
  '?a=1;access_token=x',
  '?access_token[]=x',
  '?%61ccess_token=',
  '?+access_token=x',
  '?a=?access_token=x',
  '?&&access_token=x&access_token=y',
]

const strategies: Readonly<Record<string, Strategy>> = {
  'good tokens': (chance, { tokens }) => present(chance.pick(tokens), 'must'),

  'garbled tokens'(chance, { tokens }) {
    const token = chance.pick(tokens)
    const garbled = garble(chance, token, tokenCharacters)
    return present(garbled, tokens.includes(garbled) ? 'may' : 'never')
  },

  'spliced tokens'(chance, { tokens }) {
    const parts = [0, 1, 2].map((at) => chance.pick(tokens).split('.')[at])
    const spliced = parts.join('.')
    return present(spliced, tokens.includes(spliced) ? 'may' : 'never')
  },

  'bytes for tokens': (chance) =>
    present(
      Array.from(chance.bytes(chance.oneIn(50) ? 9_000 : 1 + chance.below(300)), (byte) =>
        tokenCharacters.charAt(byte % tokenCharacters.length),
      ).join(''),
    ),

  'bytes for headers': (chance) => ({
    ...plain,
    authorization: [chance.bytes(chance.below(200)).toString('latin1')],
    letIn: 'never',
  }),

  'wrong claims'(chance, { issuer, nowSeconds }) {
    const claims = issuer.claims(nowSeconds, 'fuzz')
    const name = chance.pick(Object.keys(isBroken))
    let value = chance.oneIn(4) ? undefined : anyValue(chance)
    // A value that happens to be right is none to test with.
    if (isBroken[name]?.(value, nowSeconds) !== true) value = [null]
    const changed = JSON.stringify({ ...claims, [name]: value })
    return present(issuer.sign(JSON.stringify(issuer.header()), changed))
  },

  'wrong headers'(chance, { issuer, nowSeconds }) {
    const name = chance.pick(Object.keys(isBrokenHeader))
    let value = chance.oneIn(4) ? undefined : anyValue(chance)
    if (isBrokenHeader[name]?.(value, issuer) !== true) value = [null]
    const header = JSON.stringify({ ...issuer.header(), [name]: value })
    return present(issuer.sign(header, JSON.stringify(issuer.claims(nowSeconds, 'fuzz'))))
  },

  'keys of strangers'(chance, { issuer, nowSeconds }) {
    const header = { ...issuer.header(), [chance.pick(['jwk', 'jku', 'x5c', 'x5u', 'kid'])]: anyValue(chance) }
    return present(issuer.sign(JSON.stringify(header), JSON.stringify(issuer.claims(nowSeconds, 'fuzz')), true))
  },

  'garbled JSON'(chance, { issuer, nowSeconds }) {
    const claims = issuer.claims(nowSeconds, 'fuzz')
    const header = issuer.header()
    const isHeader = chance.oneIn(3)
    const text = garble(chance, JSON.stringify(isHeader ? header : claims), jsonPieces)
    const token = isHeader ? issuer.sign(text, JSON.stringify(claims)) : issuer.sign(JSON.stringify(header), text)
    const isSame = saysTheSame(text, isHeader ? header : claims)
    return present(token, isSame || isHarmless(text, isHeader, nowSeconds, issuer) ? 'may' : 'never')
  },

  'bytes for JSON'(chance, { issuer }) {
    const payload = chance.oneIn(2) ? chance.bytes(chance.below(200)) : JSON.stringify(anyValue(chance, 5) ?? null)
    return present(issuer.sign(JSON.stringify(issuer.header()), payload))
  },

  'garbled requests'(chance, { tokens }) {
    const token = chance.pick(tokens)
    const line = () =>
      chance.pick(schemes) +
      chance.pick(gaps) +
      (chance.oneIn(4) ? chance.pick(words) : token) +
      (chance.oneIn(6) ? chance.pick(gaps) : '')
    const authorization = Array.from({ length: chance.pick([0, 1, 1, 1, 1, 2, 3]) }, line)
    const query = chance.pick(queries) + (chance.oneIn(10) ? chance.bytes(12).toString('hex') : '')
    const isUsual =
      authorization.length === 1 &&
      new RegExp(`^bearer +${token.replaceAll('.', '\\.')}\\s*$`, 'i').test(authorization[0] ?? '')
    const hasOther = new URLSearchParams(query).has('access_token')
    const method = chance.pick(['GET', 'GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'DELETE'])
    return { method, query, authorization, letIn: isUsual && !hasOther ? 'may' : 'never' }
  },
}

export const strategyNames = Object.keys(strategies)

/** The next input. A good token comes now and then, so that a guard which has broken down is found out. */
export function nextInput(chance: Chance, material: Material): FuzzInput {
  const strategy = chance.pick(strategyNames)
  const make = strategies[strategy] as Strategy
  return { strategy, ...make(chance, material) }
}
