import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openReceipt, type ReceiptContent, type ReceiptKey, seal, sealReceipt } from '../src/index.ts'

const makeKey = (): ReceiptKey => ({ kid: randomBytes(4), key: randomBytes(32) })
const today = makeKey()
const content: ReceiptContent = {
  at: 1_800_000_000,
  reason: 'token.expired',
  facts: { check: 'expiry', expected: 1_800_000_000, received: 1_799_999_000, strict: true },
  owner: 'client-1',
  audience: 'https://api.example.com',
}
const receiptOf = (changes: Partial<ReceiptContent> = {}, key = today): string =>
  sealReceipt(key, { ...content, ...changes }, randomBytes(12))
const factsAfter = (facts: ReceiptContent['facts']) => openReceipt([today], receiptOf({ facts }))?.facts

describe('receipts', () => {
  it('give back what was sealed', () => {
    expect(openReceipt([today], receiptOf())).toEqual(content)
  })

  it('carry neither owner nor audience where there is none', () => {
    const opened = openReceipt([today], receiptOf({ owner: undefined, audience: undefined }))
    expect([opened?.owner, opened?.audience]).toEqual([undefined, undefined])
  })

  it('are read with whichever key made them', () => {
    const days = [makeKey(), makeKey(), today, makeKey()]
    expect(openReceipt(days, receiptOf())).toEqual(content)
  })

  it('are read by nobody once their key is gone', () => {
    expect(openReceipt([makeKey()], receiptOf())).toBeUndefined()
    expect(openReceipt([], receiptOf())).toBeUndefined()
  })

  it('are not read with another key of the same name', () => {
    expect(openReceipt([{ kid: today.kid, key: randomBytes(32) }], receiptOf())).toBeUndefined()
  })

  it('show nothing of what they hold, and differ each time', () => {
    const receipt = receiptOf()
    const bytes = Buffer.from(receipt, 'base64url').toString('latin1')
    expect(bytes).not.toContain('client-1')
    expect(receipt).toMatch(/^[\w-]+$/)
    expect(receiptOf()).not.toBe(receipt)
  })

  it('are as long for one reason as for any other, whatever the facts are', () => {
    const endless = { check: 'é'.repeat(400), expected: 'x'.repeat(400), received: 1e300 }
    const lengths = [
      receiptOf({ reason: 'client.unknown', facts: {} }),
      receiptOf({ reason: 'client.secret_wrong', facts: { check: 'client_secret' } }),
      receiptOf({ reason: 'authorize.request_object_unsupported', facts: endless }),
    ].map((receipt) => receipt.length)
    expect(new Set(lengths).size).toBe(1)
  })

  it('are refused with any one character changed', () => {
    const receipt = receiptOf()
    for (let at = 0; at < receipt.length; at++) {
      const other = receipt[at] === 'A' ? 'B' : 'A'
      expect(openReceipt([today], receipt.slice(0, at) + other + receipt.slice(at + 1))).toBeUndefined()
    }
  })

  it.each([
    ['nothing', () => ''],
    ['a cut receipt', (receipt: string) => receipt.slice(0, -8)],
    ['the name of a key alone', () => today.kid.toString('base64url')],
    ['a longer one', (receipt: string) => `${receipt}AAAA`],
    ['padding', (receipt: string) => `${receipt}=`],
    ['a newline at the end', (receipt: string) => `${receipt}\n`],
    ['text of another kind', () => 'not a receipt'],
    ['a very long text', () => 'A'.repeat(1_000_000)],
  ])('are not read from %s', (_name, change) => {
    expect(openReceipt([today], change(receiptOf()))).toBeUndefined()
  })

  it.each([
    ['sealed for another use', 'another purpose', '{"t":1,"r":"token.expired","f":{}}'],
    ['without a reason', 'arctos receipt', '{"t":1,"f":{}}'],
    ['with a reason that the table lacks', 'arctos receipt', '{"t":1,"r":"toString","f":{}}'],
    ['that is no object', 'arctos receipt', '["token.expired"]'],
  ])('are not read from something %s by the right key', (_name, purpose, text) => {
    const sealed = seal(today.key, purpose, Buffer.from(text), randomBytes(12))
    expect(openReceipt([today], Buffer.concat([today.kid, sealed]).toString('base64url'))).toBeUndefined()
  })
})

describe('facts of a receipt', () => {
  it('leave out what is undefined', () => {
    expect(factsAfter({ check: 'a', expected: undefined })).toEqual({ check: 'a' })
  })

  it('have texts of at most 60 characters', () => {
    expect(factsAfter({ check: 'x'.repeat(61) })).toEqual({ check: 'x'.repeat(60) })
  })

  it('take 160 bytes together and not 161', () => {
    const ofBytes = (bytes: number) => {
      const facts = { a: 'x'.repeat(60), b: 'y'.repeat(60), c: '' }
      return { ...facts, c: 'z'.repeat(bytes - JSON.stringify(facts).length) }
    }
    expect(factsAfter(ofBytes(160))).toEqual(ofBytes(160))
    expect(Object.keys(factsAfter(ofBytes(161)) ?? {})).toEqual(['a', 'b'])
  })

  it('keep the first ones that fit', () => {
    const kept = factsAfter({ a: 'x'.repeat(60), b: 'y'.repeat(60), c: 'z'.repeat(60), d: 1 })
    expect(kept).toEqual({ a: 'x'.repeat(60), b: 'y'.repeat(60), d: 1 })
    expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThanOrEqual(160)
  })

  it('are measured in bytes, not in characters', () => {
    const kept = factsAfter({ a: 'é'.repeat(60), b: 'é'.repeat(60) })
    expect(kept).toEqual({ a: 'é'.repeat(60) })
    expect(factsAfter({ a: '\0'.repeat(60) })).toEqual({})
  })
})

describe('readers of a receipt', () => {
  it.each(['owner', 'audience'] as const)('are named whole or not at all: %s', (who) => {
    expect(openReceipt([today], receiptOf({ [who]: 'x'.repeat(298) }))?.[who]).toBe('x'.repeat(298))
    // Cut short, the name might be that of somebody else, who could then read what is not theirs.
    expect(openReceipt([today], receiptOf({ [who]: 'x'.repeat(299) }))?.[who]).toBeUndefined()
  })

  it('leave every receipt readable, however long their names are', () => {
    const facts = { a: 'é'.repeat(60), b: 'x'.repeat(20) }
    for (const length of [298, 512, 5_000]) {
      const receipt = receiptOf({
        facts,
        owner: 'x'.repeat(length),
        audience: 'y'.repeat(length),
        at: 1_800_000_000.123,
      })
      expect(openReceipt([today], receipt)?.facts).toEqual(facts)
    }
  })
})
