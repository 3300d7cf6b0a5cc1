// RFC 7636: Proof Key for Code Exchange.
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { confidential, publicClient } from './driver/client.ts'
import { expectError, expectErrorMembers } from './driver/expectations.ts'
import {
  altered,
  authorizationForm,
  authorize,
  type Changes,
  callbackOf,
  createProofKey,
  obtainCode,
  redeem,
  userVariables,
} from './driver/flow.ts'
import { listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const
const web = ['CLIENT_ID', 'CLIENT_SECRET', ...userVariables] as const

scenario('offers S256 in its metadata [RFC 7636 §4.2(b), RFC 8414 §2]', [], async (env) => {
  expect(await listOf(env.ISSUER, 'code_challenge_methods_supported')).toContain('S256')
})

scenario(
  'redeems a code for the verifier whose S256 challenge began the flow [RFC 7636 §4.2(b), RFC 7636 §4.6(b)]',
  app,
  async (env) => {
    const code = await obtainCode(env, env.PUBLIC_CLIENT_ID)
    const answer = await redeem(env.ISSUER, publicClient(env.PUBLIC_CLIENT_ID), code)
    expect(answer.status, answer.text).toBe(200)
  },
)

for (const [what, verifier] of [
  ['shortest', randomBytes(33).toString('base64url').slice(0, 43)],
  ['longest', `${'-._~'.repeat(20)}${randomBytes(36).toString('base64url')}`],
] as const) {
  scenario(`takes the ${what} verifier there can be [RFC 7636 §4.1(b)]`, app, async (env) => {
    const key = createProofKey(verifier)
    const callback = callbackOf(
      await authorize(env, authorizationForm(env, env.PUBLIC_CLIENT_ID, key)),
      env.REDIRECT_URI,
    )
    const code = { code: callback.get('code') ?? '', verifier, redirectUri: env.REDIRECT_URI }
    const answer = await redeem(env.ISSUER, publicClient(env.PUBLIC_CLIENT_ID), code)
    expect(answer.status, answer.text).toBe(200)
  })
}

/** A request that should not lead to a code; what the client is told. */
function refused(title: string, changes: Changes | ((challenge: string) => Changes)): void {
  scenario(title, app, async (env, context) => {
    const key = createProofKey()
    const changed = typeof changes === 'function' ? changes(key.challenge) : changes
    const offered = (await listOf(env.ISSUER, 'code_challenge_methods_supported')) ?? []
    const method = 'code_challenge_method' in changed ? (changed['code_challenge_method'] ?? 'plain') : 'S256'
    if (method === 'plain' && offered.includes('plain')) context.skip('the method plain is offered')
    const callback = callbackOf(
      await authorize(env, authorizationForm(env, env.PUBLIC_CLIENT_ID, key, changed)),
      env.REDIRECT_URI,
    )
    expect(callback.get('error')).toBe('invalid_request')
    expect(callback.has('code')).toBe(false)
    expectErrorMembers(Object.fromEntries(callback))
  })
}

refused('refuses a public client without challenge as invalid_request [RFC 7636 §4.4.1(a)]', {
  code_challenge: undefined,
  code_challenge_method: undefined,
})
refused('refuses a method without challenge as invalid_request [RFC 7636 §4.4.1(a)]', { code_challenge: undefined })
refused('refuses an empty challenge like none [RFC 7636 §4.4.1(a)]', { code_challenge: '' })
refused('refuses the method plain where only S256 is offered [RFC 7636 §4.4.1(b)]', { code_challenge_method: 'plain' })
refused('takes a missing method for plain, and refuses it [RFC 7636 §4.4.1(b)]', {
  code_challenge_method: undefined,
})
refused('refuses an unknown method as invalid_request [RFC 7636 §4.4.1(b)]', { code_challenge_method: 'S512' })
refused('refuses the method in other letters [RFC 7636 §4.4.1(b)]', { code_challenge_method: 's256' })

const wrongVerifiers: readonly (readonly [what: string, change: (verifier: string) => string | undefined])[] = [
  ['another verifier', () => createProofKey().verifier],
  ['an altered verifier', altered],
  ['the challenge in place of the verifier', (verifier) => createProofKey(verifier).challenge],
  ['no verifier', () => undefined],
  ['an empty verifier', () => ''],
  ['a verifier that is too short', (verifier) => verifier.slice(0, 42)],
  ['a verifier with more behind it', (verifier) => `${verifier}x`],
  ['a verifier of 129 characters', () => 'x'.repeat(129)],
  ['a verifier with a character that none has', (verifier) => `${verifier.slice(1)}=`],
]
for (const [what, change] of wrongVerifiers) {
  scenario(`gives nothing for ${what} [RFC 7636 §4.5(a)(b), RFC 7636 §4.6(a)]`, app, async (env) => {
    const code = await obtainCode(env, env.PUBLIC_CLIENT_ID)
    const answer = await redeem(env.ISSUER, publicClient(env.PUBLIC_CLIENT_ID), code, {
      code_verifier: change(code.verifier),
    })
    expectError(answer, 'invalid_grant', 'invalid_request')
  })
}

scenario('answers a well-formed wrong verifier with invalid_grant [RFC 7636 §4.6(a)]', web, async (env) => {
  const code = await obtainCode(env, env.CLIENT_ID)
  const answer = await redeem(env.ISSUER, confidential(env), code, { code_verifier: createProofKey().verifier })
  expectError(answer, 'invalid_grant')
})

scenario('keeps each challenge with its own code [RFC 7636 §4.4(a)]', web, async (env) => {
  const [first, second] = [await obtainCode(env, env.CLIENT_ID), await obtainCode(env, env.CLIENT_ID)]
  const crossed = await redeem(env.ISSUER, confidential(env), first, { code_verifier: second.verifier })
  expectError(crossed, 'invalid_grant')
  const right = await redeem(env.ISSUER, confidential(env), second)
  expect(right.status, right.text).toBe(200)
})

scenario('shows the challenge to nobody on the way back [RFC 7636 §4.4(b)]', app, async (env) => {
  const key = createProofKey()
  const visit = await authorize(env, authorizationForm(env, env.PUBLIC_CLIENT_ID, key))
  expect(callbackOf(visit, env.REDIRECT_URI).has('code')).toBe(true)
  expect(decodeURIComponent(visit.left?.href ?? '')).not.toContain(key.challenge)
})
