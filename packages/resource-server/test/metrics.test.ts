import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import { createGuardMetrics } from '../src/reports/metrics.ts'
import { formatPrometheus } from '../src/reports/prometheus.ts'
import { guardOf, present, verdict, verdicts } from './guard.ts'
import { type Issuer, resource, sendJson, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())
beforeEach(() => issuer.answers.clear())

/** The samples of one name: labels without the resource, and the value. */
function samplesOf(text: string, name: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value] = /\{(.*)\} (\S+)$/.exec(line) ?? []
      return [labels.replace(`resource="${resource}"`, '').replace(/^,/, ''), Number(value)]
    }),
  )
}

describe('requests', () => {
  it('are counted by result and reason', async () => {
    const guard = guardOf(issuer)
    const expired = issuer.token({ exp: 1 })
    await verdicts(guard, [issuer.token(), issuer.token(), expired, expired, 'garbage'])
    await guard.authorize({ method: 'GET', url: '/', headers: {} })
    expect(samplesOf(guard.metrics(), 'arctos_guard_requests_total')).toEqual({
      'result="allowed"': 2,
      'result="refused",reason="token.expired"': 2,
      'result="refused",reason="token.malformed"': 1,
      'result="refused",reason="credentials.missing"': 1,
    })
  })

  it('that could not be decided are told from those that were refused', async () => {
    issuer.answers.set('/jwks', (_, response) => sendJson(response, {}, {}, 500))
    const guard = guardOf(issuer)
    await present(guard, issuer.token())
    expect(samplesOf(guard.metrics(), 'arctos_guard_requests_total')).toEqual({
      'result="allowed"': 0,
      'result="unavailable",reason="keys.unavailable"': 1,
    })
  })

  it('that are explained are not counted', async () => {
    const guard = guardOf(issuer)
    await guard.explain(issuer.token())
    expect(samplesOf(guard.metrics(), 'arctos_guard_requests_total')).toEqual({ 'result="allowed"': 0 })
  })

  it('add no label, whatever they say', async () => {
    const guard = guardOf(issuer)
    await verdict(guard, issuer.token())
    const text = guard.metrics()
    for (let index = 0; index < 50; index++) {
      const name = `made-up-${index}`
      await guard.authorize({
        method: name,
        url: `/${name}?q=${name}`,
        headers: { authorization: `Bearer ${issuer.token({ iss: `https://${name}`, sub: name }, { kid: name })}` },
      })
    }
    await verdict(guard, issuer.token({}, { kid: 'made-up' }))
    const series = (of: string): readonly string[] => of.split('\n').map((line) => line.replace(/ \S+$/, ''))
    const added = series(guard.metrics()).filter((line) => !series(text).includes(line))
    expect(added.map((line) => /reason="([^"]*)"/.exec(line)?.[1]).sort()).toEqual([
      'token.issuer',
      'token.key_unknown',
    ])
  })
})

describe('keys', () => {
  const start = Date.parse('2026-01-02T03:04:05Z')

  it('have an age that begins when they are asked for, and again when the issuer confirms them', async () => {
    let now = start
    const guard = guardOf(issuer, { now: () => now })
    const age = () => samplesOf(guard.metrics(), 'arctos_guard_key_age_seconds')[`issuer="${issuer.issuer}"`]
    expect(age()).toBeUndefined()
    await guard.reload()
    now += 20_000
    expect(age()).toBe(20)
    await guard.reload()
    expect(age()).toBe(0)
  })

  it('grow older while their issuer fails, which is counted', async () => {
    let now = start
    const guard = guardOf(issuer, { now: () => now })
    await guard.reload()
    issuer.answers.set('/jwks', (_, response) => sendJson(response, { keys: 'none' }))
    now += 45_000
    await expect(guard.reload()).rejects.toMatchObject({ reason: 'keys.unavailable' })
    const text = guard.metrics()
    const label = `issuer="${issuer.issuer}"`
    expect(samplesOf(text, 'arctos_guard_key_age_seconds')).toEqual({ [label]: 45 })
    expect(samplesOf(text, 'arctos_guard_key_loads_total')).toMatchObject({ [label]: 1 })
    expect(samplesOf(text, 'arctos_guard_key_load_failures_total')).toMatchObject({ [label]: 1 })
  })

  it('of issuers that a function trusts share one label, however many it names', async () => {
    const guard = guardOf(issuer, { authorizationServers: () => [issuer.issuer] })
    await verdict(guard, issuer.token())
    expect(samplesOf(guard.metrics(), 'arctos_guard_key_loads_total')).toEqual({ 'issuer="(others)"': 1 })
  })
})

describe('the clock of an issuer', () => {
  const start = Date.parse('2026-01-02T03:04:05Z')
  const skewAfter = async (headers: Record<string, string>): Promise<number | undefined> => {
    issuer.answers.set('/jwks', (_, response) => sendJson(response, { keys: issuer.published }, headers))
    const guard = guardOf(issuer, { now: () => start, jwksUri: issuer.jwksUri })
    await guard.reload()
    return samplesOf(guard.metrics(), 'arctos_guard_clock_skew_seconds')[`issuer="${issuer.issuer}"`]
  }
  const dateIn = (seconds: number): string => new Date(start + seconds * 1_000).toUTCString()

  it.each([
    ['ahead', 90, 90.5],
    ['behind', -90, -89.5],
    ['right', 0, 0.5],
  ])('that is %s is measured by its answers, to half a second [RFC 9110 §6.6.1]', async (_, seconds, expected) => {
    expect(await skewAfter({ date: dateIn(seconds) })).toBe(expected)
  })

  it('is not taken for slow because a cache held the answer [RFC 9111 §5.1]', async () => {
    expect(await skewAfter({ date: dateIn(-600), age: '600' })).toBe(0.5)
  })

  it.each([{ date: 'soon' }, { date: dateIn(0), age: 'a while' }])('is not guessed from %j', async (headers) => {
    expect(await skewAfter(headers)).toBeUndefined()
  })
})

describe('introspections', () => {
  const introspection = { clientId: 'rs', clientSecret: 'secret-of-the-resource-server' }

  it('are measured by outcome, each question once', async () => {
    let now = Date.now()
    const guard = guardOf(issuer, {
      introspection: { ...introspection, maxAgeSeconds: 60 },
      now: () => now,
      fetch: (url, init) => {
        if (init.method === 'POST') now += 30
        return fetch(url, init)
      },
    })
    issuer.answers.set('/introspect', (_, response) => sendJson(response, { active: true, sub: 'a', client_id: 'b' }))
    await verdicts(guard, ['opaque', 'opaque', 'opaque'])
    issuer.answers.set('/introspect', (_, response) => sendJson(response, { active: false }))
    await verdict(guard, 'other')
    issuer.answers.set('/introspect', (_, response) => sendJson(response, {}, {}, 500))
    await verdict(guard, 'third')
    const text = guard.metrics()
    expect(samplesOf(text, 'arctos_guard_introspection_seconds_count')).toEqual({
      'outcome="active"': 1,
      'outcome="inactive"': 1,
      'outcome="unavailable"': 1,
    })
    expect(samplesOf(text, 'arctos_guard_introspection_seconds_sum')['outcome="active"']).toBeCloseTo(0.03)
    expect(samplesOf(text, 'arctos_guard_introspection_seconds_bucket')).toMatchObject({
      'outcome="active",le="0.025"': 0,
      'outcome="active",le="0.05"': 1,
      'outcome="active",le="2.5"': 1,
      'outcome="active",le="+Inf"': 1,
    })
  })

  it('that take longer than every bound are counted above it', async () => {
    let now = 0
    const metrics = createGuardMetrics({ issuers: [], now: () => now, elapsed: () => now })
    await metrics.introspected(async () => {
      now += 2_501
      return { claims: undefined }
    })
    const samples = samplesOf(formatPrometheus(metrics, { resource }), 'arctos_guard_introspection_seconds_bucket')
    expect([samples['outcome="inactive",le="2.5"'], samples['outcome="inactive",le="+Inf"']]).toEqual([0, 1])
  })
})

describe('looks into the cache of verified tokens', () => {
  it('are counted by what they found', () => {
    const metrics = createGuardMetrics({ issuers: [], now: Date.now, elapsed: Date.now })
    metrics.verifiedTokens.hits += 3
    metrics.verifiedTokens.misses += 1
    expect(samplesOf(formatPrometheus(metrics, { resource }), 'arctos_guard_verified_tokens_total')).toEqual({
      'cache="hit"': 3,
      'cache="miss"': 1,
    })
  })
})

describe('the text', () => {
  it('is what Prometheus reads: each name announced once, then its samples', async () => {
    const guard = guardOf(issuer)
    await verdict(guard, issuer.token())
    const lines = guard.metrics().split('\n')
    expect(lines.pop()).toBe('')
    const announced = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2] ?? '')
    expect(new Set(announced).size).toBe(announced.length)
    const sample = /^([a-z_]+)\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\} (\d+(\.\d+)?(e-\d+)?|-\d+(\.\d+)?)$/
    for (const line of lines.filter((each) => !each.startsWith('#'))) {
      expect(line).toMatch(sample)
      expect(announced.some((name) => line.startsWith(name))).toBe(true)
    }
  })

  it('has no figure that the guide does not explain, nor the other way round', async () => {
    const guide = await readFile(new URL('../../../docs/guide/operate.md', import.meta.url), 'utf8')
    const explained = [...guide.matchAll(/`(arctos_guard_\w+)`/g)].map(([, name]) => name)
    const guard = guardOf(issuer, { revocations: { clientId: 'notes-api', clientSecret: 'secret' } })
    const text = guard.metrics()
    await guard.close()
    const figures = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name)
    expect(explained.toSorted()).toEqual(figures.toSorted())
  })

  it('escapes what would end a label', () => {
    const metrics = createGuardMetrics({ issuers: [], now: Date.now, elapsed: Date.now })
    expect(formatPrometheus(metrics, { resource: 'a"b\\c\nd' })).toContain(
      '{resource="a\\"b\\\\c\\nd",result="allowed"}',
    )
  })
})

describe('a meter', () => {
  it('that is none is refused at start', () => {
    const options = { resource, authorizationServers: [issuer.issuer], scopes: {}, meter: {} }
    expect(() => resourceServer(options as never)).toThrow('resourceServer: meter is "object"; allowed is a meter')
  })
})
