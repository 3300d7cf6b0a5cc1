// RFC 8628: OAuth 2.0 Device Authorization Grant.
import { expect, type TestContext } from 'vitest'
import { isDecision } from './driver/browser.ts'
import { postAs, publicClient, requestToken, tokensOf } from './driver/client.ts'
import { expectError, expectNoStore } from './driver/expectations.ts'
import { altered, sharedBrowser } from './driver/flow.ts'
import { type Answer, type Form, jsonOf } from './driver/http.ts'
import { findEndpoint, listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const device = ['DEVICE_CLIENT_ID', 'AUDIENCE', 'SCOPE'] as const
const user = [...device, 'REDIRECT_URI', 'USER_SCOPE', 'USERNAME', 'PASSWORD'] as const
const grantType = 'urn:ietf:params:oauth:grant-type:device_code'

interface DeviceEnvironment {
  readonly ISSUER: string
  readonly DEVICE_CLIENT_ID: string
  readonly SCOPE: string
}

type UserEnvironment = DeviceEnvironment &
  Readonly<Record<'REDIRECT_URI' | 'USER_SCOPE' | 'USERNAME' | 'PASSWORD', string>>

async function ask(env: DeviceEnvironment, context: TestContext, form: Form = {}, id = env.DEVICE_CLIENT_ID) {
  const endpoint = await findEndpoint(env.ISSUER, 'device_authorization_endpoint')
  if (endpoint === undefined) context.skip('the issuer has no device_authorization_endpoint')
  return await postAs(publicClient(id), String(endpoint), form)
}

interface Codes {
  readonly deviceCode: string
  readonly userCode: string
  readonly page: string
  /** The page with the code in its address, where the issuer has one. */
  readonly complete: string | undefined
  readonly intervalSeconds: number
}

async function start(env: DeviceEnvironment, context: TestContext): Promise<Codes> {
  const answer = await ask(env, context, { scope: env.SCOPE })
  expect(answer.status, answer.text).toBe(200)
  const codes = jsonOf(answer)
  const complete = codes['verification_uri_complete']
  return {
    deviceCode: String(codes['device_code']),
    userCode: String(codes['user_code']),
    page: String(codes['verification_uri']),
    complete: typeof complete === 'string' ? complete : undefined,
    intervalSeconds: Number(codes['interval'] ?? 5),
  }
}

function poll(env: DeviceEnvironment, deviceCode: string, id = env.DEVICE_CLIENT_ID): Promise<Answer> {
  return requestToken(env.ISSUER, publicClient(id), { grant_type: grantType, device_code: deviceCode })
}

/** Signs in where that is asked for, types the code, and decides. */
async function decide(env: UserEnvironment, codes: Codes, decision: 'approve' | 'deny', context: TestContext) {
  const browser = sharedBrowser(env)
  const signIn = { username: env.USERNAME, password: env.PASSWORD }
  const { last, form } = await browser.visit(codes.page, { signIn })
  const field = form?.fields.find(({ name }) => name === 'user_code')
  if (form === undefined || field === undefined) return context.skip('the page has no field called user_code')
  const asked = await browser.submit(last, form, { user_code: codes.userCode })
  if (asked.form === undefined || !isDecision(asked.form)) throw new Error(`no decision to make: ${asked.last.text}`)
  return await browser.submit(asked.last, asked.form, { decision })
}

scenario('lists the endpoint and the grant type together [RFC 8628 §4]', [], async ({ ISSUER }, context) => {
  const endpoint = await findEndpoint(ISSUER, 'device_authorization_endpoint')
  if (endpoint === undefined) context.skip('the issuer has no device_authorization_endpoint')
  expect(endpoint).toMatch(/^https:|^http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/)
  expect(await listOf(ISSUER, 'grant_types_supported')).toContain(grantType)
})

scenario('gives a device its codes, and until when they are good [RFC 8628 §3.2(a)]', device, async (env, context) => {
  const answer = await ask(env, context, { scope: env.SCOPE })
  const codes = jsonOf(answer)
  expect([typeof codes['device_code'], typeof codes['user_code']]).toEqual(['string', 'string'])
  expect(URL.canParse(String(codes['verification_uri']))).toBe(true)
  expect(codes['expires_in']).toBeGreaterThan(0)
  expectNoStore(answer)
})

scenario('gives each device codes of its own [RFC 8628 §5.2]', device, async (env, context) => {
  const codes = await Promise.all([1, 2, 3].map(() => start(env, context)))
  expect(new Set(codes.map(({ deviceCode }) => deviceCode)).size).toBe(3)
  expect(new Set(codes.map(({ userCode }) => userCode)).size).toBe(3)
  expect(Math.min(...codes.map(({ deviceCode }) => deviceCode.length))).toBeGreaterThanOrEqual(22)
})

scenario('has a page address without the code in it [RFC 8628 §3.3(a)]', device, async (env, context) => {
  const { page, userCode } = await start(env, context)
  expect(page).not.toContain(userCode)
})

scenario('gives no codes to a client that it does not know [RFC 8628 §3.1(b)]', device, async (env, context) => {
  expectError(await ask(env, context, {}, 'nobody-of-this-name'), 'invalid_client', 'unauthorized_client')
})

scenario('gives no codes to no client [RFC 8628 §3.1(b)]', device, async (env, context) => {
  const nobody = { id: '', credentials: () => ({}) }
  const endpoint = await findEndpoint(env.ISSUER, 'device_authorization_endpoint')
  if (endpoint === undefined) context.skip('the issuer has no device_authorization_endpoint')
  expectError(await postAs(nobody, String(endpoint), {}), 'invalid_client', 'invalid_request')
})

scenario(
  'counts empty parameters as absent, ignores unknown ones, refuses repeated ones [RFC 8628 §3.1(c)(d)(e)]',
  device,
  async (env, context) => {
    expect((await ask(env, context, { scope: env.SCOPE, state: '', colour: 'blue' })).status).toBe(200)
    const repeated = await ask(env, context, [
      ['scope', env.SCOPE],
      ['scope', env.SCOPE],
    ])
    expectError(repeated, 'invalid_request')
  },
)

scenario('refuses an unknown scope like the token endpoint [RFC 8628 §3.2(c)]', device, async (env, context) => {
  const answer = await ask(env, context, { scope: 'no-such-scope' })
  if (answer.status === 200) context.skip('unknown scopes are left out')
  expectError(answer, 'invalid_scope')
})

scenario('tells a device to wait while nobody has decided [RFC 8628 §3.5(b)]', device, async (env, context) => {
  const { deviceCode } = await start(env, context)
  const answer = await poll(env, deviceCode)
  expectError(answer, 'authorization_pending', 'slow_down')
  expect(answer.status).toBe(400)
})

scenario(
  'tells a device that asks too often to slow down, or to wait [RFC 8628 §3.5(c)]',
  device,
  async (env, context) => {
    const { deviceCode } = await start(env, context)
    for (let count = 0; count < 4; count++)
      expectError(await poll(env, deviceCode), 'authorization_pending', 'slow_down')
  },
)

scenario(
  'refuses a device code that nobody has, and an altered one [RFC 6749 §5.2(a)]',
  device,
  async (env, context) => {
    const { deviceCode } = await start(env, context)
    for (const code of ['never-issued', altered(deviceCode)])
      expectError(await poll(env, code), 'invalid_grant', 'expired_token')
  },
)

scenario(
  'gives tokens to the device whose code a user typed and allowed [RFC 8628 §3.5(a)]',
  user,
  async (env, context) => {
    const codes = await start(env, context)
    await decide(env, codes, 'approve', context)
    expect(tokensOf(await poll(env, codes.deviceCode)).accessToken).not.toBe('')
  },
)

scenario(
  'gives tokens for one approval once, of ten polls at a time [RFC 6749 §5.2(a)]',
  user,
  async (env, context) => {
    const codes = await start(env, context)
    await decide(env, codes, 'approve', context)
    const answers = await Promise.all(Array.from({ length: 10 }, () => poll(env, codes.deviceCode)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expectError(await poll(env, codes.deviceCode), 'invalid_grant', 'expired_token', 'slow_down')
  },
)

scenario('tells a device that its user refused [RFC 8628 §3.5(d)]', user, async (env, context) => {
  const codes = await start(env, context)
  await decide(env, codes, 'deny', context)
  expectError(await poll(env, codes.deviceCode), 'access_denied')
})

scenario(
  'gives the tokens of one client to no other [RFC 6749 §5.2(a)]',
  [...user, 'PUBLIC_CLIENT_ID'],
  async (env, context) => {
    const codes = await start(env, context)
    await decide(env, codes, 'approve', context)
    expectError(await poll(env, codes.deviceCode, env.PUBLIC_CLIENT_ID), 'invalid_grant', 'unauthorized_client')
    tokensOf(await poll(env, codes.deviceCode))
  },
)

scenario('approves nothing by an address with the code in it [RFC 8628 §3.3.1(b)]', user, async (env, context) => {
  const codes = await start(env, context)
  if (codes.complete === undefined) return context.skip('the issuer has no verification_uri_complete')
  const { last } = await sharedBrowser(env).visit(codes.complete, {
    signIn: { username: env.USERNAME, password: env.PASSWORD },
  })
  expect(last.text).toContain(codes.userCode)
  expectError(await poll(env, codes.deviceCode), 'authorization_pending', 'slow_down')
})

scenario(
  'takes a code in small letters and without what separates it [RFC 8628 §6.1(b)]',
  user,
  async (env, context) => {
    const codes = await start(env, context)
    const typed = codes.userCode.toLowerCase().replaceAll('-', '')
    await decide(env, { ...codes, userCode: typed }, 'approve', context)
    tokensOf(await poll(env, codes.deviceCode))
  },
)
