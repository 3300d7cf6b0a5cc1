import type { RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protect } from '../src/adapters/node.ts'
import { guardOf, present } from './guard.ts'
import { type Issuer, listen, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const fails = (): never => {
  throw new Error('a failure of the operator')
}
const rejects = async (): Promise<never> => fails()

describe('a refusal', () => {
  it.each([
    ['a listener that throws', { onRefusal: fails }],
    ['a listener that rejects', { onRefusal: rejects }],
    ['a journal that throws', { journal: fails }],
    ['a seal that throws', { receipts: { seal: fails } }],
  ])('stands whatever its report meets: %s', async (_, options) => {
    const decision = await present(guardOf(issuer, options), 'garbage')
    expect(decision).toMatchObject({ ok: false, status: 401, receipt: expect.any(String) })
  })
})

describe('a handler of node:http', () => {
  async function ask(handler: Parameters<typeof protect>[2]): Promise<Response> {
    const { origin, close } = await listen(protect(guardOf(issuer), {}, handler) as RequestListener)
    try {
      return await fetch(origin, { headers: { authorization: `Bearer ${issuer.token()}` } })
    } finally {
      await close()
    }
  }

  it.each([
    ['throws', fails],
    ['rejects', rejects],
  ])('that %s is answered with 500, not to be stored', async (_, handler) => {
    const { status, headers } = await ask(handler)
    expect([status, headers.get('cache-control')]).toEqual([500, 'no-store'])
  })

  it('that fails in the middle of its answer breaks it off', async () => {
    const halfway = ask(async (_, response) => {
      response.writeHead(200, { 'content-length': '5' })
      await rejects()
    })
    await expect(halfway.then((response) => response.text())).rejects.toThrow()
  })
})
