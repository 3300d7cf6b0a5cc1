import { formatExplanation, openReceipt, type ReceiptContent, sealReceipt } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RefusalReport, readJournalLine } from '../src/index.ts'
import { guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, resource, sendJson, startIssuer } from './issuer.ts'

let issuer: Issuer

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

async function refused(guard: ReturnType<typeof guardOf>, token: string) {
  const decision = await present(guard, token)
  if (decision.ok) throw new Error('the token was accepted')
  return decision
}

describe('without a key of the server', () => {
  it('remembers what a receipt stands for', async () => {
    const guard = guardOf(issuer)
    const { receipt, response } = await refused(guard, issuer.token({ aud: 'https://other.example.com' }))
    expect(response.headers['arctos-receipt']).toBe(receipt)
    expect(guard.findRefusal(receipt ?? '')).toMatchObject({
      reason: 'token.audience',
      check: 'audience',
      expected: resource,
      received: 'https://other.example.com',
      method: 'GET',
      path: '/notes',
    })
  })

  it('remembers the last 1,000', async () => {
    const guard = guardOf(issuer)
    const receipts: string[] = []
    for (let count = 0; count < 1_001; count++) receipts.push((await refused(guard, 'garbage')).receipt ?? '')
    expect(new Set(receipts).size).toBe(1_001)
    expect(receipts.map((receipt) => guard.findRefusal(receipt) !== undefined)).toEqual([
      false,
      ...Array(1_000).fill(true),
    ])
  })

  it('writes one line of JSON for each refusal, from which it can be explained', async () => {
    const lines: string[] = []
    const guard = guardOf(issuer, { journal: (line) => lines.push(line) })
    const { receipt } = await refused(guard, issuer.token({ scope: 'other' }))
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'refusal', owner: 'client-1', audience: resource })
    const report = readJournalLine(lines[0] ?? '')
    expect(report).toEqual(guard.findRefusal(receipt ?? ''))
    expect(formatExplanation(report as RefusalReport)).toEqual([
      '403 insufficient_scope  (token.scope, RFC 6750 §3.1)',
      '  check     scope',
      '  expected  read',
      '  received  other',
      '  fix       Ask for a token with the scope that is named as expected.',
    ])
  })

  it('reads only its own lines', () => {
    const foreign = [
      '',
      'x',
      '[]',
      '{}',
      '{"event":"refusal"}',
      '{"event":"refusal","reason":"x"}',
      '{"reason":"token.scope"}',
    ]
    expect(foreign.map(readJournalLine)).toEqual(Array(foreign.length).fill(undefined))
  })

  it('tells the listener of every refusal, also of one without credentials', async () => {
    const reports: RefusalReport[] = []
    const guard = guardOf(issuer, { onRefusal: (report) => reports.push(report) })
    await guard.authorize({ method: 'GET', url: 'https://api.example.com/notes?access_token=x', headers: {} })
    await refused(guard, 'garbage')
    expect(reports).toMatchObject([
      { reason: 'credentials.missing', receipt: undefined, path: '/notes', status: 401 },
      { reason: 'token.malformed', receipt: expect.any(String) },
    ])
  })
})

describe('sealed receipts', () => {
  const key = { kid: Buffer.from('day1'), key: Buffer.alloc(32, 7) }
  const sealed = () => {
    const lines: string[] = []
    let count = 0
    const seal = (content: ReceiptContent): string => sealReceipt(key, content, Buffer.alloc(12, count++))
    return { lines, options: { receipts: { seal } } }
  }

  it('are opened by whoever has the key, and stored nowhere', async () => {
    const { options } = sealed()
    const guard = guardOf(issuer, options)
    const { receipt } = await refused(guard, issuer.token({ scope: 'other' }))
    expect(openReceipt([key], receipt ?? '')).toMatchObject({
      reason: 'token.scope',
      facts: { check: 'scope', expected: 'read', received: 'other' },
      owner: 'client-1',
      audience: resource,
    })
    expect(guard.findRefusal(receipt ?? '')).toBeUndefined()
  })

  it('name an owner only when the token is proven', async () => {
    const owners: (string | undefined)[] = []
    const seal = (content: ReceiptContent): undefined => void owners.push(content.owner)
    const guard = guardOf(issuer, { receipts: { seal } })
    await guard.reload()
    await refused(guard, issuer.token({ exp: 1 }))
    await refused(guard, issuer.token({ exp: 1 }, {}, makeKey('ES256', issuer.key.kid)))
    await refused(guard, 'garbage')
    expect(owners).toEqual(['client-1', undefined, undefined])
  })

  it('give way to remembered ones where sealing fails', async () => {
    const guard = guardOf(issuer, { receipts: { seal: () => undefined } })
    const { receipt } = await refused(guard, 'garbage')
    expect(guard.findRefusal(receipt ?? '')).toMatchObject({ reason: 'token.malformed' })
  })
})

describe('a fault of ours', () => {
  it('is answered as one, with the details in the journal alone', async () => {
    const lines: string[] = []
    const guard = guardOf(issuer, { journal: (line) => lines.push(line) })
    const headers = {
      get: () => {
        throw new RangeError('broken')
      },
    }
    const decision = await guard.authorize({ method: 'GET', url: '/', headers })
    expect(decision).toMatchObject({ ok: false, reason: 'server.fault', status: 500, challenge: undefined })
    expect(decision.ok || decision.response.body).not.toContain('broken')
    expect(JSON.parse(lines[0] ?? '').fault).toContain('RangeError: broken')
  })
})

describe('a token', () => {
  it('appears in no answer, report, receipt or line of the journal [RFC 6749 §10.3(a)]', async () => {
    const written: string[] = []
    const remember = (value: unknown): void => void written.push(JSON.stringify(value) ?? '')
    issuer.answers.set('/introspect', (_request, response) => sendJson(response, { active: false }))
    const guard = guardOf(issuer, {
      introspection: { clientId: 'rs', clientSecret: 'marker-secret' },
      onRefusal: remember,
      journal: remember,
      receipts: { seal: (content) => void remember(content) },
    })
    const good = issuer.token({ sub: 'marker' })
    const tokens = [
      good,
      issuer.token({ exp: 1 }),
      issuer.token({}, {}, makeKey()),
      issuer.token({ aud: 'x' }),
      `${good}==`,
      'marker',
    ]
    const headers = tokens.flatMap((token) => [
      `Bearer ${token}`,
      `Bearer ${token} ${token}`,
      `Bearer ${token},x`,
      token,
      `Basic ${token}`,
    ])
    for (const authorization of headers) {
      const request = { method: 'GET', url: `/?access_token=${tokens[0]}`, headers: { authorization } }
      for (const url of ['/', request.url]) {
        remember(await guard.authorize({ ...request, url }, { scope: 'write' }))
        remember(await guard.explain({ ...request, url }, { scope: 'write' }))
      }
    }
    const text = written.join('\n')
    const secrets = tokens.flatMap((token) => token.split('.')).filter((part) => part !== '')
    // The header of a token says nothing secret, but has no business there either.
    expect([...secrets, 'marker-secret'].filter((part) => text.includes(part))).toEqual([])
    expect(written.length).toBeGreaterThan(headers.length * 4)
    expect(await verdict(guard, good)).toBe('good')
  })
})
