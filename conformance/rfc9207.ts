// RFC 9207: OAuth 2.0 Authorization Server Issuer Identification.
import { expect, type TestContext } from 'vitest'
import type { Environment } from './driver/environment.ts'
import { authorizationForm, authorize, type Changes, callbackOf, createProofKey, userVariables } from './driver/flow.ts'
import { metadataOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const

async function answerTo(
  env: Environment<(typeof app)[number]>,
  context: TestContext,
  changes: Changes = {},
  decision: 'approve' | 'deny' = 'approve',
): Promise<URLSearchParams> {
  const { authorization_response_iss_parameter_supported: isOffered } = await metadataOf(env.ISSUER)
  if (isOffered !== true) context.skip('iss in authorization responses is not offered')
  const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), changes)
  return callbackOf(await authorize(env, form, decision), env.REDIRECT_URI)
}

scenario(
  'names itself in an answer with a code, once and byte for byte [RFC 9207 §2, RFC 9207 §2.4]',
  app,
  async (env, context) => {
    const callback = await answerTo(env, context)
    expect(callback.has('code')).toBe(true)
    expect(callback.getAll('iss')).toEqual([env.ISSUER])
  },
)

scenario('names itself when the user refused [RFC 9207 §2]', app, async (env, context) => {
  const callback = await answerTo(env, context, { prompt: 'consent' }, 'deny')
  expect(callback.get('error')).toBe('access_denied')
  expect(callback.getAll('iss')).toEqual([env.ISSUER])
})

for (const [what, changes] of [
  ['an unknown response type', { response_type: 'telepathy' }],
  ['a missing response type', { response_type: undefined }],
  ['a missing challenge', { code_challenge: undefined, code_challenge_method: undefined }],
  ['an unknown scope', { scope: 'no-such-scope' }],
] as const) {
  scenario(`names itself in whatever it answers to ${what} [RFC 9207 §2]`, app, async (env, context) => {
    expect((await answerTo(env, context, changes)).getAll('iss')).toEqual([env.ISSUER])
  })
}

scenario('names the issuer of its metadata [RFC 9207 §2.3, RFC 8414 §3.3]', app, async (env, context) => {
  expect((await answerTo(env, context)).get('iss')).toBe((await metadataOf(env.ISSUER))['issuer'])
})
