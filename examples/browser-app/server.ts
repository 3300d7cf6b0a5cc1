// A web application whose pages call an API and never see a token. README.md says how to run it.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { bff } from '@arctos/bff'
import { bffMiddleware } from '@arctos/bff/express'
import { clientSecretBasic, oauthClient } from '@arctos/client'
import { page } from './page.ts'

/** An environment variable; an empty one counts as absent. */
function environment(name: string): string | undefined {
  return process.env[name] || undefined
}

function required(name: string): string {
  const value = environment(name)
  if (value !== undefined) return value
  console.error(`${name} is not set; README.md lists the variables`)
  process.exit(1)
}

const port = Number(environment('PORT') ?? 4003)
const origin = environment('ORIGIN') ?? `http://127.0.0.1:${port}`
const clientSecret = environment('CLIENT_SECRET')

const app = bff({
  client: oauthClient({
    issuer: required('ISSUER'),
    clientId: required('CLIENT_ID'),
    ...(clientSecret !== undefined && { auth: clientSecretBasic(clientSecret) }),
  }),
  origin,
  scope: `${environment('SCOPE') ?? 'read'} offline_access`,
  apis: { '/api': { resource: required('AUDIENCE') } },
})
const answerOwn = bffMiddleware(app)

const server = createServer((request, response) => {
  answerOwn(request, response, () => {
    const isPage = request.method === 'GET' && request.url?.split('?')[0] === '/'
    const nonce = randomBytes(16).toString('base64url')
    response.writeHead(isPage ? 200 : 404, {
      'content-type': 'text/html; charset=utf-8',
      // Whatever finds its way into the page shall not run.
      'content-security-policy': `default-src 'none'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:`,
    })
    response.end(isPage ? page(nonce) : '<!doctype html><title>Not found</title><p>Not found</p>')
  })
})

server.listen(port, '127.0.0.1', () => console.log(`browser application on ${origin}`))

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(() => process.exit(0))
    setTimeout(() => server.closeAllConnections(), 2_000).unref()
  })
}
