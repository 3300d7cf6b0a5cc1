import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, present, verdict, verdicts } from './guard.ts'
import { type IntrospectionSite, startIntrospection } from './introspection-site.ts'
import { hang, sendStatus } from './issuer.ts'

const token = 'arctos_at_opaque'
let site: IntrospectionSite
let working: Parameters<IntrospectionSite['issuer']['answers']['set']>[1]
beforeEach(async () => {
  site = await startIntrospection()
  working = site.issuer.answers.get('/introspect') ?? sendStatus(404)
})
afterEach(() => site.end())

/** How many questions arrived at the endpoint, whatever it answered. */
function arrived(): number {
  return site.issuer.hitsOf('/introspect')
}

async function failFiveTimes(guard: Guard): Promise<void> {
  site.issuer.answers.set('/introspect', sendStatus(500))
  for (let count = 0; count < 5; count++) await verdict(guard, `failing-${count}`)
}

describe('while the endpoint fails', () => {
  it('five questions are asked, and then none: 503 at once, with the time to come back', async () => {
    const guard = site.guard()
    await failFiveTimes(guard)
    expect(await verdicts(guard, ['a', 'b', 'c', token])).toEqual({ 'introspection.unavailable': 4 })
    expect(arrived()).toBe(5)
    const decision = await present(guard, token)
    expect(decision).toMatchObject({ ok: false, status: 503, challenge: undefined })
    expect(decision.ok || decision.response.headers['retry-after']).toBe('1')
  })

  it('one question tries it after the pause, whatever the crowd', async () => {
    const guard = site.guard()
    await failFiveTimes(guard)
    site.pass(1)
    const crowd = Array.from({ length: 50 }, (_, index) => `crowd-${index}`)
    expect(await verdicts(guard, crowd)).toEqual({ 'introspection.unavailable': 50 })
    expect(arrived()).toBe(6)
    const decision = await present(guard, token)
    expect(decision.ok || decision.response.headers['retry-after']).toBe('2')
  })

  it('and everybody is let through once it answers', async () => {
    const guard = site.guard()
    await failFiveTimes(guard)
    site.issuer.answers.set('/introspect', working)
    site.pass(1)
    expect(await verdict(guard, token)).toBe('good')
    expect(await verdicts(guard, ['a', 'b', 'c'])).toEqual({ good: 3 })
  })

  it('JWTs are as good as ever', async () => {
    const guard = site.guard()
    await failFiveTimes(guard)
    expect(await verdict(guard, site.issuer.token())).toBe('good')
  })

  it.each([
    ['refuses our credential', sendStatus(401)],
    ['is not there', sendStatus(404)],
    ['has no time for us', sendStatus(429)],
    ['says nothing of the token', (_: unknown, response: { end(text: string): void }) => response.end('[]')],
  ] as [string, ReturnType<typeof sendStatus>][])('an endpoint that %s has failed, too', async (_, listener) => {
    const guard = site.guard()
    site.issuer.answers.set('/introspect', listener)
    for (let count = 0; count < 8; count++) await verdict(guard, `${count}`)
    expect(arrived()).toBe(5)
  })

  it('an endpoint that dislikes a token has not: strange tokens do not stop the others', async () => {
    const guard = site.guard()
    site.issuer.answers.set('/introspect', sendStatus(400))
    const strange = Array.from({ length: 20 }, (_, index) => `strange-${index}`)
    expect(await verdicts(guard, strange)).toEqual({ 'introspection.unavailable': 20 })
    site.issuer.answers.set('/introspect', working)
    expect(await verdict(guard, token)).toBe('good')
  })
})

describe('while the endpoint hangs', () => {
  it('a hundred questions wait at a time, and the next after them', async () => {
    const { listener, open, release } = hang()
    site.issuer.answers.set('/introspect', listener)
    const guard = site.guard()
    const crowd = Array.from({ length: 150 }, (_, index) => `crowd-${index}`)
    const refused = verdicts(guard, crowd)
    await expect.poll(open).toBe(100)
    await site.issuer.roundTrip()
    expect(open()).toBe(100)
    site.issuer.answers.set('/introspect', sendStatus(500))
    release()
    // Five failures, and the others are not even asked about.
    expect(await refused).toEqual({ 'introspection.unavailable': 150 })
    expect(arrived()).toBeLessThan(110)
  })
})

describe('a token that was good before the outage', () => {
  it('is refused with 503, unless the operator declared a time', async () => {
    const guard = site.guard({ maxAgeSeconds: 5 })
    await verdict(guard, token)
    site.issuer.answers.set('/introspect', sendStatus(500))
    expect(await verdict(guard, token)).toBe('good')
    site.pass(5)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })

  it('works on for the declared time, and no longer', async () => {
    const guard = site.guard({ staleSeconds: 60 })
    await verdict(guard, token)
    await failFiveTimes(guard)
    expect(await verdicts(guard, [token, 'never-seen'])).toEqual({ good: 1, 'introspection.unavailable': 1 })
    site.pass(59)
    expect(await verdict(guard, token)).toBe('good')
    site.pass(1)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })

  it('is asked about as long as there are answers', async () => {
    const guard = site.guard({ staleSeconds: 60 })
    await verdict(guard, token)
    site.tell = () => ({ active: false })
    expect(await verdict(guard, token)).toBe('token.inactive')
  })

  it('ends at its own end, outage or not [RFC 7662 §4(h)]', async () => {
    const guard = site.guard({ staleSeconds: 3_600 })
    site.tell = () => ({ active: true, ...site.issuer.claims({ exp: site.seconds() + 5 }) })
    await verdict(guard, token)
    site.issuer.answers.set('/introspect', sendStatus(500))
    site.pass(4)
    expect(await verdict(guard, token)).toBe('good')
    site.pass(1)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })
})
