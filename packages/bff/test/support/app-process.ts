// A web application with a BFF in a process of its own, for tests that kill it: everything comes in the environment.
import { createServer } from 'node:http'
import { bff } from '@arctos/bff'
import { bffMiddleware } from '@arctos/bff/express'
import { sqliteBffStore } from '@arctos/bff/stores/sqlite'
import { clientSecretBasic, oauthClient } from '@arctos/client'

const { ISSUER = '', SECRET = '', RESOURCE = '', DATABASE = '', PORT = '' } = process.env
const store = await sqliteBffStore({ path: DATABASE })
const client = oauthClient({ issuer: ISSUER, clientId: 'web', auth: clientSecretBasic(SECRET) })
const origin = `http://127.0.0.1:${PORT}`
const app = bff({ client, origin, scope: 'read offline_access', apis: { '/api/notes': { resource: RESOURCE } }, store })
const handle = bffMiddleware(app)
createServer((request, response) => handle(request, response, () => response.writeHead(404).end())).listen(
  Number(PORT),
  '127.0.0.1',
  () => process.stdout.write('ready\n'),
)
