import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { makeTokens, type TokenSet } from '../verify/tokens.ts'

const tokenCount = 100

/** An issuer with two keys, and tokens of each: what every guard of the bench trusts. */
export interface BenchIssuer {
  readonly issuer: string
  readonly tokens: Readonly<Record<'RS256' | 'ES256', TokenSet>>
  readonly close: () => void
}

export async function startIssuer(): Promise<BenchIssuer> {
  let keys: readonly object[] = []
  const server = createServer((request, response) => {
    const issuer = issuerOf(server.address() as AddressInfo)
    const isKeySet = request.url === '/jwks'
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=30' })
    response.end(JSON.stringify(isKeySet ? { keys } : { issuer, jwks_uri: `${issuer}/jwks` }))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const issuer = issuerOf(server.address() as AddressInfo)
  const tokens = { RS256: makeTokens('RS256', tokenCount, issuer), ES256: makeTokens('ES256', tokenCount, issuer) }
  keys = Object.values(tokens).map(({ jwk }) => jwk)
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { issuer, tokens, close }
}

function issuerOf({ port }: AddressInfo): string {
  return `http://127.0.0.1:${port}`
}
