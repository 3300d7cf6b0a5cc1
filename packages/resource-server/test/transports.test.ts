import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FormFields, GuardRequest } from '../src/index.ts'
import { guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const formType = 'application/x-www-form-urlencoded'

interface Sent {
  readonly method?: string
  readonly url?: string
  readonly authorization?: string
  readonly type?: string | readonly string[]
  readonly form?: GuardRequest['form']
}

function request({ method = 'POST', url = '/notes', authorization, type = formType, form }: Sent): GuardRequest {
  return { method, url, headers: { authorization, 'content-type': type }, form }
}

/** 200, or the reason of the refusal. */
async function outcome(transports: { form?: boolean; query?: boolean }, sent: Sent): Promise<string | number> {
  const decision = await guardOf(issuer, { transports }).authorize(request(sent), { scope: 'read' })
  return decision.ok ? 200 : decision.reason
}

describe('a form', () => {
  const form = (more: FormFields = {}) => ({ access_token: issuer.token(), ...more })

  it('carries the token where the operator says so [RFC 6750 §2.2(a)]', async () => {
    expect(await outcome({ form: true }, { form: form() })).toBe(200)
    expect(await outcome({ form: true }, { form: async () => form() })).toBe(200)
    expect(await outcome({}, { form: form() })).toBe('credentials.missing')
  })

  it.each([formType.toUpperCase(), `${formType};charset=UTF-8`, `${formType} ; a=b`])(
    'has the type %s',
    async (type) => {
      expect(await outcome({ form: true }, { form: form(), type })).toBe(200)
    },
  )

  it.each([
    'application/json',
    'multipart/form-data; boundary=x',
    `${formType}x`,
    `text/plain, ${formType}`,
    '',
    [formType, formType],
  ])('is none under the type %j [RFC 6750 §2.2(a)]', async (type) => {
    expect(await outcome({ form: true }, { form: form(), type })).toBe('credentials.missing')
  })

  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'get'])(
    'carries none with the method %s [RFC 6750 §2.2(c)]',
    async (method) => {
      expect(await outcome({ form: true }, { form: form(), method })).toBe('credentials.missing')
    },
  )

  it.each(['POST', 'PUT', 'PATCH'])('carries one with the method %s [RFC 6750 §2.2(c)]', async (method) => {
    expect(await outcome({ form: true }, { form: form(), method })).toBe(200)
  })

  it('is of ASCII characters, every field of it [RFC 6750 §2.2(b)]', async () => {
    expect(await outcome({ form: true }, { form: form({ note: 'plain' }) })).toBe(200)
    expect(await outcome({ form: true }, { form: form({ note: 'n\u00f6te' }) })).toBe('credentials.malformed')
    expect(await outcome({ form: true }, { form: form({ 'n\u00f6te': '' }) })).toBe('credentials.malformed')
  })

  it.each([{}, null, 7, '', ' ', 'a b'])('is refused with the token %j [RFC 6750 §3.1(a)]', async (token) => {
    expect(await outcome({ form: true }, { form: { access_token: token } })).toBe('credentials.malformed')
  })

  it('is not read where nobody switched it on', async () => {
    const read = async (): Promise<never> => {
      throw new Error('was read')
    }
    const authorization = `Bearer ${issuer.token()}`
    expect(await outcome({ query: true }, { form: read, authorization })).toBe(200)
    expect(await outcome({ form: true }, { form: read, authorization })).toBe('server.fault')
  })

  it('decides nothing where it has no token', async () => {
    const authorization = `Bearer ${issuer.token()}`
    const inherited = Object.create({ access_token: issuer.token() })
    expect(await outcome({ form: true }, { form: { note: 'n\u00f6te' }, authorization })).toBe(200)
    expect(await outcome({ form: true }, { form: inherited })).toBe('credentials.missing')
  })
})

describe('the query', () => {
  it('carries the token where the operator says so; its answer is private [RFC 6750 §2.3(a), RFC 6750 §2.3(d)]', async () => {
    const guard = guardOf(issuer, { transports: { query: true } })
    const decide = (url: string, authorization?: string) =>
      guard.authorize(request({ method: 'GET', url, ...(authorization && { authorization }) }))
    expect(await decide(`/notes?p=1&access_token=${issuer.token()}&q=2`)).toMatchObject({
      ok: true,
      cacheControl: 'private',
    })
    expect(await decide('/notes', `Bearer ${issuer.token()}`)).toMatchObject({ ok: true, cacheControl: undefined })
    expect(await outcome({}, { url: `/notes?access_token=${issuer.token()}` })).toBe('credentials.missing')
  })

  it.each(['', 'a%20b', '%22'])('is refused with the token %j [RFC 6750 §3.1(a)]', async (token) => {
    expect(await outcome({ query: true }, { url: `/notes?access_token=${token}` })).toBe('credentials.malformed')
  })
})

describe('one token in a request', () => {
  const both = { form: true, query: true }

  it('stands in one place, whatever is switched on [RFC 6750 §2]', async () => {
    const token = issuer.token()
    const inHeader = { authorization: `Bearer ${token}` }
    const inQuery = { url: `/notes?access_token=${token}` }
    const inForm = { form: { access_token: token } }
    for (const transports of [{}, { form: true }, { query: true }, both]) {
      expect(await outcome(transports, { ...inHeader, ...inQuery })).toBe('credentials.multiple')
      expect(await outcome(transports, { ...inHeader, ...inForm })).toBe('credentials.multiple')
    }
    for (const transports of [{ form: true }, { query: true }, both]) {
      expect(await outcome(transports, { ...inQuery, ...inForm })).toBe('credentials.multiple')
    }
    expect(await outcome(both, { ...inHeader, form: async () => inForm.form })).toBe('credentials.multiple')
  })

  it('stands there once [RFC 6750 §2]', async () => {
    const token = issuer.token()
    expect(await outcome(both, { url: `/?access_token=${token}&access_token=${token}` })).toBe('credentials.multiple')
    expect(await outcome(both, { form: { access_token: [token, token] } })).toBe('credentials.multiple')
    expect(await outcome(both, { form: { access_token: [token] } })).toBe(200)
  })

  it.each(['Basic YTpi', 'DPoP x'])('stands beside no other credential: %s [RFC 6750 §2]', async (authorization) => {
    expect(await outcome(both, { url: `/?access_token=${issuer.token()}`, authorization })).toBe('credentials.multiple')
  })
})

it('publishes where tokens may stand [RFC 9728 §2]', () => {
  const methods = (transports: { form?: boolean; query?: boolean }) =>
    guardOf(issuer, { transports }).metadata.bearer_methods_supported
  expect([methods({}), methods({ form: true }), methods({ query: true, form: true })]).toEqual([
    ['header'],
    ['header', 'body'],
    ['header', 'body', 'query'],
  ])
})

it('refuses a switch that is neither on nor off', () => {
  const transports = { query: 'no' } as unknown as { query: boolean }
  expect(() => guardOf(issuer, { transports })).toThrow('transports.query is "no"; allowed is true or false')
})

describe('the end of an access', () => {
  it('comes when the token is taken back, and no other', async () => {
    const guard = guardOf(issuer)
    const accessOf = async (jti: string) => {
      const decision = await guard.authorize(request({ authorization: `Bearer ${issuer.token({ jti })}` }))
      if (!decision.ok) throw new Error(decision.reason)
      return decision.access
    }
    const [first, second] = await Promise.all([accessOf('first'), accessOf('second')])
    const signals = [guard.endOf(first), guard.endOf(first), guard.endOf(second)]
    guard.revoke({ kind: 'token', jti: 'first' })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false])
    expect(guard.endOf(first).aborted).toBe(true)
  })

  /** An access whose token expires at `expiresAt`, at a guard whose clock then stands at `now`; both in epoch seconds. */
  async function signalAt(now: number): Promise<AbortSignal> {
    const begin = Math.floor(Date.now() / 1_000)
    let milliseconds = begin * 1_000
    const guard = guardOf(issuer, { now: () => milliseconds, clockToleranceSeconds: 10 })
    const decision = await guard.authorize(
      request({ authorization: `Bearer ${issuer.token({ iat: begin, exp: begin + 60 })}` }),
    )
    if (!decision.ok) throw new Error(decision.reason)
    milliseconds = (begin + now) * 1_000
    return guard.endOf(decision.access)
  }

  it('comes when the guard would no longer take the token', async () => {
    const signal = await signalAt(69.95)
    expect(signal.aborted).toBe(false)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    expect((await signalAt(70)).aborted).toBe(true)
  })
})
