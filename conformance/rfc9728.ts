// RFC 9728: OAuth 2.0 Protected Resource Metadata, of the API at API_URL.
import { expect, type TestContext } from 'vitest'
import { parameterOf, readChallenges } from './driver/challenge.ts'
import { type Answer, type JsonObject, jsonOf, send } from './driver/http.ts'
import { scenario } from './driver/scenario.ts'

/** The well-known part goes between host and path. RFC 9728 §3.1 */
function metadataUrl(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname.replace(/\/$/, '')}`
}

async function fetchMetadata(resource: string, context: TestContext): Promise<Answer> {
  const answer = await send(metadataUrl(resource))
  if (answer.status === 404) context.skip('the API has no metadata')
  return answer
}

async function metadataOf(resource: string, context: TestContext): Promise<JsonObject> {
  return jsonOf(await fetchMetadata(resource, context))
}

const api = ['API_URL', 'AUDIENCE'] as const

scenario(
  'serves its metadata as JSON at the well-known address [RFC 9728 §3.1, RFC 9728 §3.2]',
  ['AUDIENCE'],
  async (env, context) => {
    const answer = await fetchMetadata(env.AUDIENCE, context)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/)
  },
)

scenario('names the very resource that was asked for [RFC 9728 §3.3]', ['AUDIENCE'], async (env, context) => {
  expect((await metadataOf(env.AUDIENCE, context))['resource']).toBe(env.AUDIENCE)
})

scenario('names the issuer that its tokens come from [RFC 9728 §2]', ['AUDIENCE'], async (env, context) => {
  const { authorization_servers: issuers } = await metadataOf(env.AUDIENCE, context)
  if (issuers === undefined) context.skip('no authorization server is named')
  expect(issuers).toContain(env.ISSUER)
})

scenario(
  'says which scopes and transports it takes, where it says so [RFC 9728 §2]',
  ['AUDIENCE', 'SCOPE'],
  async (env, context) => {
    const metadata = await metadataOf(env.AUDIENCE, context)
    if (metadata['scopes_supported'] !== undefined) expect(metadata['scopes_supported']).toContain(env.SCOPE)
    const methods = metadata['bearer_methods_supported']
    if (methods !== undefined) {
      expect(methods).toContain('header')
      for (const method of methods as unknown[]) expect(['header', 'body', 'query']).toContain(method)
    }
  },
)

scenario('leaves lists without elements out [RFC 9728 §3.2]', ['AUDIENCE'], async (env, context) => {
  const empty = Object.entries(await metadataOf(env.AUDIENCE, context)).filter(
    ([, value]) => Array.isArray(value) && value.length === 0,
  )
  expect(empty).toEqual([])
})

scenario('leads whoever has no token from the challenge to its metadata [RFC 9728 §5.1]', api, async (env, context) => {
  const answer = await send(env.API_URL)
  expect(answer.status).toBe(401)
  const url = parameterOf(readChallenges(answer.headers.get('www-authenticate'))[0], 'resource_metadata')
  if (url === undefined) return context.skip('the challenge does not name the metadata')
  const { resource } = jsonOf(await send(url))
  expect(resource).toBe(env.AUDIENCE)
  expect(url).toBe(metadataUrl(env.AUDIENCE))
})

scenario('describes a resource to which the API belongs [RFC 9728 §3.3]', api, async (env, context) => {
  const { resource } = await metadataOf(env.AUDIENCE, context)
  const [described, called] = [new URL(String(resource)), new URL(env.API_URL)]
  expect(described.origin).toBe(called.origin)
  expect(called.pathname.startsWith(described.pathname.replace(/\/$/, ''))).toBe(true)
})
