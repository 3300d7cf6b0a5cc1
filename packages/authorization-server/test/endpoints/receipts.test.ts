import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { ask, assertionForm, isActive, makeAssertion, mintCode, refresh, signIn, tokensOf } from './flows.ts'
import { askThrough, basic, type Form, formRequest, type Installation, install, type Reply } from './installation.ts'

let site: Installation
let send: Installation['send']
beforeAll(async () => {
  site = await install()
  let asked = 0
  send = askThrough(site.server, () => `192.0.2.${asked++ % 250}`)
})
afterAll(() => site.end())

const receiptOf = ({ headers }: Reply): string => headers.get('arctos-receipt') ?? ''

function explain(receipt: string, clientId = 'service', form: Form = {}): Promise<Reply> {
  return send('/receipts', formRequest({ receipt, ...form }, basic(clientId)))
}

describe('a receipt', () => {
  it('is explained to the client that was refused', async () => {
    const refused = await ask(site, { grant_type: 'client_credentials', scope: 'delete' })
    const { status, headers, body } = await explain(receiptOf(refused))
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toEqual({
      at: site.clock.seconds(),
      reason: 'scope.unknown',
      status: 400,
      error: 'invalid_scope',
      check: 'scope',
      expected: 'read write',
      received: 'delete',
      spec: 'RFC 6749 §5.2',
      fix: expect.stringContaining('scopes that the resource declares'),
    })
  })

  it('is explained to a client with a key, too', async () => {
    const form = async () => assertionForm(await makeAssertion(site))
    const refused = await site.post('/token', { grant_type: 'nothing', ...(await form()) })
    const receipt = receiptOf(refused)
    const { status, body } = await send('/receipts', formRequest({ receipt, ...(await form()) }))
    expect([status, body['reason']]).toEqual([200, 'grant_type.unsupported'])
  })

  it("tells what was wrong with a code or session that is the client's own", async () => {
    const { form } = await mintCode(site)
    const tokens = tokensOf(await ask(site, form))
    const second = tokensOf(await refresh(site, tokens.refresh))
    await refresh(site, second.refresh)
    const reasons = [
      await ask(site, { ...(await mintCode(site)).form, code_verifier: 'x'.repeat(43) }),
      await ask(site, { ...(await mintCode(site)).form, redirect_uri: 'https://app.example/other' }),
      await refresh(site, tokens.refresh),
      await refresh(site, second.refresh),
      await refresh(site, 'arctos_rt_x'),
      await ask(site, form),
    ].map(async (reply) => (await explain(receiptOf(reply))).body['reason'])
    expect(await Promise.all(reasons)).toEqual([
      'code.verifier_wrong',
      'code.redirect_uri_mismatch',
      'refresh.reused',
      'refresh.ended',
      'refresh.malformed',
      'code.spent',
    ])
  })

  it('tells "unknown" and "another client\'s" apart to nobody [RFC 6749 §5.2(a)]', async () => {
    const foreign = await ask(site, (await mintCode(site, { clientId: 'rival' })).form)
    const { code } = await mintCode(site, { clientId: 'rival' })
    const gone = `${code.slice(0, 12)}${code[12] === 'A' ? 'B' : 'A'}${code.slice(13)}`
    const unknown = await ask(site, { ...(await mintCode(site)).form, code: gone })
    const told = await Promise.all([foreign, unknown].map((reply) => explain(receiptOf(reply))))
    for (const { body } of told) expect([body['reason'], body['fix']]).toEqual(['code.unknown', told[0]?.body['fix']])
    const session = await signIn(site, { clientId: 'rival' })
    const taken = await explain(receiptOf(await refresh(site, session.refresh)))
    expect(taken.body['reason']).toBe('refresh.unknown')
    expect(taken.text).not.toContain('rival')
  })
})

describe('one answer, to the byte,', () => {
  /** Which is that of a receipt that does not exist, to the same client. */
  async function expectNothing(lookUp: (receipt: string) => Promise<Reply>, receipt: string): Promise<void> {
    const plain = ({ status, text, headers }: Reply) => ({
      status,
      text: text.replace(headers.get('arctos-receipt') ?? '', ''),
      length: headers.get('arctos-receipt')?.length,
    })
    const reply = await lookUp(receipt)
    expect(plain(reply)).toEqual(plain(await lookUp('nothing')))
    expect([reply.status, reply.reason]).toEqual([404, 'page.not_found'])
  }
  const asApp = (receipt: string) => send('/receipts', formRequest({ receipt, client_id: 'app' }))

  it('has a receipt that is unknown, cut, altered, long or of another server', async () => {
    const receipt = receiptOf(await ask(site, { grant_type: 'nothing' }))
    const elsewhere = await install({ kek: Buffer.alloc(32, 9) })
    const foreign = receiptOf(await ask(elsewhere, { grant_type: 'nothing' }))
    await elsewhere.end()
    const altered = `${receipt.slice(0, 40)}${receipt[40] === 'A' ? 'B' : 'A'}${receipt.slice(41)}`
    for (const text of ['x', receipt.slice(0, -4), altered, `${receipt}AAAA`, 'A'.repeat(50_000), foreign])
      await expectNothing(explain, text)
    expect((await explain(receipt)).status).toBe(200)
  })

  it('has a receipt of another client, whoever asks', async () => {
    const receipt = receiptOf(await ask(site, { grant_type: 'nothing' }))
    for (const clientId of ['rival', 'notes-api', 'machine'])
      await expectNothing((text) => explain(text, clientId), receipt)
    await expectNothing(asApp, receipt)
  })

  it('has a receipt of nobody: of a client that did not prove itself', async () => {
    const unproven = [
      await site.post('/token', { grant_type: 'client_credentials' }, basic('service', 'wrong')),
      await site.post('/token', { grant_type: 'client_credentials', client_id: 'service' }),
      await site.post('/token', { grant_type: 'nothing', client_id: 'app' }),
      await site.post('/token', 'x=%zz'),
      await site.send('/nothing'),
    ]
    for (const reply of unproven) await expectNothing(explain, receiptOf(reply))
    await expectNothing(asApp, receiptOf(unproven[2] as Reply))
  })

  it('has a receipt of what only the operator may know: users, leaks, thresholds', async () => {
    const own = await install()
    const { refresh: token } = await signIn(own)
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    const refused = await refresh(own, token)
    expect(refused.reason).toBe('refresh.principal_disabled')
    const asked = await own.post('/receipts', { receipt: receiptOf(refused) }, basic('service'))
    expect([asked.status, asked.reason]).toEqual([404, 'page.not_found'])
    const ended = await refresh(own, token)
    expect(ended.reason).toBe('refresh.ended')
    expect(receiptOf(ended)).toHaveLength(receiptOf(refused).length)
    await own.end()
  })
})

describe('looking up', () => {
  it('needs the client to authenticate, and names what is missing', async () => {
    const receipt = receiptOf(await ask(site, { grant_type: 'nothing' }))
    expect((await send('/receipts', formRequest({ receipt }))).status).toBe(401)
    expect((await send('/receipts', formRequest({ receipt }, basic('service', 'wrong')))).status).toBe(401)
    expect((await send('/receipts', formRequest({}, basic('service')))).reason).toBe('request.missing_parameter')
  })

  it('at the address itself shows how to ask, whatever the receipt is', async () => {
    const receipt = receiptOf(await ask(site, { grant_type: 'nothing' }))
    const [real, invented] = [await site.send(`/receipts/${receipt}`), await site.send('/receipts/x')]
    expect([real.status, real.text]).toEqual([200, invented.text])
    expect(real.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(real.headers.get('cache-control')).toBe('no-store')
    expect(real.text).toContain(`POST ${site.issuer}/receipts`)
    expect((await site.post(`/receipts/${receipt}`, {}, basic('service'))).status).toBe(404)
  })

  it('answers HEAD there without a body', async () => {
    const { status, text } = await site.send('/receipts/x', { method: 'HEAD' })
    expect([status, text]).toEqual([200, ''])
  })

  it.each(databaseKinds)('is limited for each network to sixty a minute, on %s', async (database) => {
    const own = await install({ database })
    const receipt = receiptOf(await ask(own, { grant_type: 'nothing' }))
    const lookUp = (address: string) =>
      askThrough(own.server, () => address)('/receipts', formRequest({ receipt }, basic('service')))
    const asked = await Promise.all(Array.from({ length: 70 }, () => lookUp('198.51.100.7')))
    expect(asked.filter(({ status }) => status === 200)).toHaveLength(60)
    const limited = asked.filter(({ status }) => status === 429)
    expect(limited).toHaveLength(10)
    expect(limited[0]?.reason).toBe('request.limited')
    expect(Number(limited[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await lookUp('198.51.100.8')).status).toBe(200)

    // Within its own network one machine has as many IPv6 addresses as it likes.
    const spread = await Promise.all(Array.from({ length: 70 }, (_, at) => lookUp(`2001:db8:0:1::${at}`)))
    expect(spread.filter(({ status }) => status === 200)).toHaveLength(60)
    expect((await lookUp('2001:db8:0:2::1')).status).toBe(200)
    own.clock.pass(1)
    expect((await lookUp('198.51.100.7')).status).toBe(200)
    expect((await lookUp('198.51.100.7')).status).toBe(429)
    expect(await isActive(own, 'x')).toBe(false)
    await own.end()
  })
})
