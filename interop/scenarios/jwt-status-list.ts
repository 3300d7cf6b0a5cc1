import { createAuthorizationServer, openStore } from '@arctos/authorization-server'
import { decodeStatusList, encodeStatusList, sha256Base64url, statusAt } from '@arctos/core'
import {
  createHeaderAndPayload,
  getListFromStatusListJWT,
  getStatusListFromJWT,
  StatusList,
} from '@sd-jwt/jwt-status-list'
import { check, defineScenario } from '../support/scenario.ts'

const issuer = 'https://as.example'
const [actor, secret] = ['interop', 'a secret of the client']
const byteLimit = 2 ** 20

export const scenario = defineScenario({
  program: '@sd-jwt/jwt-status-list',
  steps: ['reads our lists', 'writes lists that we read', 'reads the status of our tokens and finds it in our list'],
  async run(_world, step) {
    await step('reads our lists', async () => {
      for (const bits of [1, 2, 4, 8] as const) {
        const bytes = Buffer.from(Array.from({ length: 2_000 }, (_, at) => (at * 167 + (at >> 3)) % 256))
        const { lst } = await encodeStatusList({ bits, bytes })
        const theirs = StatusList.decompressStatusList(lst, bits)
        for (let index = 0; index < (bytes.length * 8) / bits; index++)
          check(theirs.getStatus(index) === statusAt({ bits, bytes }, index), `${bits} bits, index ${index}`)
      }
    })
    await step('writes lists that we read', async () => {
      for (const bits of [1, 2, 4, 8] as const) {
        const statuses = Array.from({ length: 4_096 }, (_, at) => (at * 31 + (at >> 5)) % 2 ** bits)
        const header = { alg: 'none', typ: 'statuslist+jwt' } as const
        const { payload } = createHeaderAndPayload(
          new StatusList(statuses, bits),
          { iss: issuer, sub: issuer, iat: 1 },
          header,
        )
        const ours = await decodeStatusList(JSON.parse(JSON.stringify(payload))['status_list'], byteLimit)
        for (const [index, status] of statuses.entries())
          check(statusAt(ours, index) === status, `${bits} bits, index ${index}`)
      }
    })
    await step('reads the status of our tokens and finds it in our list', async () => {
      let now = Date.now()
      const store = await openStore({ database: ':memory:', now: () => now })
      try {
        await store.migrate()
        const resource = {
          identifier: 'https://notes.example',
          scopes: { read: 'Read' },
          accessTokenLifetimeSeconds: 600,
        }
        await store.createResource({ settings: { ...resource, tokenFormat: 'jwt', tokenType: 'at+jwt' }, actor })
        const client = { name: 'Service', authenticationMethods: ['client_secret_post' as const], redirectUris: [] }
        const settings = { ...client, grantTypes: ['client_credentials'] }
        await store.createClient({ id: 'service', settings, secretHash: sha256Base64url(secret), actor })
        const experimental = { tokenStatusList: 'draft-21' } as const
        const server = await createAuthorizationServer({
          issuer,
          store,
          kek: Buffer.alloc(32),
          now: () => now,
          experimental,
        })
        const send = async (url: string, body?: URLSearchParams): Promise<string> => {
          const request = new Request(url, body === undefined ? {} : { method: 'POST', body })
          return (await server.handle(request, { address: '127.0.0.1' })).text()
        }
        const form = { grant_type: 'client_credentials', client_id: 'service', client_secret: secret }
        const answer = await send(`${issuer}/token`, new URLSearchParams(form))
        const { idx, uri } = getStatusListFromJWT(String(JSON.parse(answer).access_token))
        check(getListFromStatusListJWT(await send(uri)).getStatus(idx) === 0, 'it should be valid')
        await store.cutOffClient({ clientId: 'service', actor, initiator: 'admin' })
        now += 30_000
        check(getListFromStatusListJWT(await send(uri)).getStatus(idx) === 1, 'it should be taken back')
      } finally {
        await store.close()
      }
    })
  },
})
