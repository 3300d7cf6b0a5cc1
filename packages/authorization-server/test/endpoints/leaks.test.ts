import { createHmac, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { makeSharedSecret, reporterProblem, webhookProblem } from '@arctos/authorization-server'
import { formatOpaqueToken, type OpaqueKind, opaqueByteLengths, secretPatterns, sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createReporterKeys } from '../../src/leaks/reporter-keys.ts'
import { openTestStore, type TestStore } from '../store/open-test-store.ts'
import { databaseKinds } from './databases.ts'
import { ask, isActive, mintCode, ownToken, refresh, signIn, signInOpaque, tokensOf } from './flows.ts'
import { archive, askThrough, basic, type Installation, install, notes, registerClient } from './installation.ts'
import { keyList, newKey, type Scanner, serveLocally, signedHeaders, startScanner } from './scanner.ts'

/** A secret as it is made, that nobody has made; of an access token, one that is not expired. */
function strange(kind: OpaqueKind): string {
  const bytes = randomBytes(opaqueByteLengths[kind])
  if (kind === 'accessToken') bytes.writeUInt32BE(0xffffffff)
  return formatOpaqueToken(kind, bytes).reveal()
}

/** Rows that a report may add. */
async function countRows({ query }: TestStore): Promise<Readonly<Record<string, number>>> {
  const [row] = await query(
    `SELECT (SELECT COUNT(*) FROM revocations) AS told, (SELECT COUNT(*) FROM audit) AS audited,
       (SELECT COUNT(*) FROM leak_notices) AS notices, (SELECT COUNT(*) FROM revoked_tokens) AS tokens`,
  )
  return row as Readonly<Record<string, number>>
}

describe.each(databaseKinds)('a report of leaked secrets on %s', (database) => {
  let test: TestStore
  let scanner: Scanner
  let site: Installation
  beforeAll(async () => {
    test = await openTestStore(database, { now: undefined, migrated: false })
    scanner = await startScanner()
    site = await install({ url: test.address, leakReporters: [scanner.reporter] })
    const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code']
    await registerClient(site.store, 'tv', { authenticationMethods: ['none'], grantTypes, redirectUris: [] })
  })
  afterAll(async () => {
    await site.end()
    await scanner.close()
    await test.close()
  })
  // Cut-offs run ahead of the clock when there are many within a second.
  beforeEach(() => site.clock.pass(10))

  const report = async (...tokens: readonly string[]): Promise<Readonly<Record<string, unknown>>> => {
    const reply = await scanner.report(site, tokens)
    expect([reply.status, reply.text]).toEqual([200, '{}'])
    return site.journal.at(-1)?.facts ?? {}
  }
  const columnOf = async (
    table: 'audit' | 'revocations' | 'leak_notices',
    column: string,
  ): Promise<readonly string[]> => {
    const rows = await test.query(`SELECT ${column} AS found FROM ${table}`)
    return rows.map(({ found }) => String(found))
  }

  it('ends the family of a refresh token, of whatever generation', async () => {
    const first = await signIn(site)
    const second = tokensOf(await refresh(site, first.refresh))
    site.clock.pass(60)
    const third = tokensOf(await refresh(site, second.refresh))
    expect(await report(first.refresh)).toMatchObject({ ended: 1 })
    expect(await isActive(site, third.access)).toBe(false)
    expect((await refresh(site, third.refresh)).reason).toBe('refresh.ended')
  })

  it('ends the grant of an access token, JWT or opaque', async () => {
    const [jwt, opaque] = [await signIn(site), await signInOpaque(site)]
    const bystander = await signIn(site)
    expect(await report(jwt.access, opaque.access)).toMatchObject({ ended: 2 })
    expect(await isActive(site, jwt.access)).toBe(false)
    expect(await isActive(site, opaque.access, 'archive-api')).toBe(false)
    for (const token of [jwt.refresh, opaque.refresh]) expect((await refresh(site, token)).reason).toBe('refresh.ended')
    expect(await isActive(site, bystander.access)).toBe(true)
  })

  it("ends one token of a client's own, and no other", async () => {
    for (const [resource, caller] of [
      [notes, 'notes-api'],
      [archive, 'archive-api'],
    ] as const) {
      const leaked = tokensOf(await ownToken(site, { resource })).access
      const kept = tokensOf(await ownToken(site, { resource })).access
      expect(await report(leaked)).toMatchObject({ ended: 1 })
      expect([await isActive(site, leaked, caller), await isActive(site, kept, caller)]).toEqual([false, true])
    }
  })

  it('spends a code, and ends the grant of one that was exchanged', async () => {
    const waiting = await mintCode(site)
    const exchanged = await mintCode(site)
    const { access } = tokensOf(await ask(site, exchanged.form))
    expect(await report(waiting.code, exchanged.code)).toMatchObject({ ended: 2 })
    expect((await ask(site, waiting.form)).status).toBe(400)
    expect(await isActive(site, access)).toBe(false)
  })

  it('spends a device code, and ends the grant of one that was exchanged', async () => {
    const start = async (): Promise<string> => {
      const { body } = await site.post('/device_authorization', { client_id: 'tv', scope: 'read offline_access' })
      return String(body['device_code'])
    }
    const poll = (code: string) =>
      site.post('/token', {
        client_id: 'tv',
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: code,
      })
    const [waiting, exchanged] = [await start(), await start()]
    const { userId } = site
    const decision = { clientId: 'tv', userId, authenticatedAt: site.clock.seconds(), approved: true }
    await site.store.decideDevice({ ...decision, deviceCodeHash: sha256Base64url(exchanged) })
    const { access } = tokensOf(await poll(exchanged))
    expect(await report(waiting, exchanged)).toMatchObject({ ended: 2 })
    expect((await poll(waiting)).reason).toBe('device.spent')
    expect(await isActive(site, access)).toBe(false)
  })

  it('closes a session', async () => {
    const cookie = strange('session')
    const user = await site.store.readUserByName('ada')
    const hash = sha256Base64url(cookie)
    await site.store.openSession({ hash, userId: user?.id ?? '', lifetimeSeconds: 600, formerHash: undefined })
    expect(await site.store.readSession(hash)).toBeDefined()
    expect(await report(cookie)).toMatchObject({ ended: 1 })
    expect(await site.store.readSession(hash)).toBeUndefined()
  })

  it('ends an API key, and what was given for it', async () => {
    const key = strange('apiKey')
    const secretHash = sha256Base64url(key)
    const owner = { kind: 'client', clientId: 'service' } as const
    const made = { name: 'nightly', resourceKey: notes, scopes: ['read'], lifetimeSeconds: 3_600, actor: 'test' }
    const created = await site.store.createApiKey({ ...made, owner, secretHash })
    if (created.outcome !== 'created') throw new Error(created.outcome)
    expect(await report(key)).toMatchObject({ ended: 1 })
    const [listed] = (await site.store.listApiKeys(owner)).filter(({ id }) => id === created.id)
    expect(listed?.state).toBe('ended')
  })

  it('ends an API key by a token that was given for it', async () => {
    const key = strange('personalAccessToken')
    const owner = { kind: 'user', userId: site.userId } as const
    const made = { name: 'laptop', resourceKey: notes, scopes: ['read'], lifetimeSeconds: 3_600, actor: 'test' }
    const created = await site.store.createApiKey({ ...made, owner, secretHash: sha256Base64url(key) })
    if (created.outcome !== 'created') throw new Error(created.outcome)
    const exchange = () =>
      site.post('/token', {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: key,
        subject_token_type: 'urn:arctos:params:oauth:token-type:api_key',
      })
    const { access } = tokensOf(await exchange())
    expect(await report(access)).toMatchObject({ ended: 1 })
    expect((await exchange()).reason).toBe('api_key.ended')
    expect(await isActive(site, access)).toBe(false)
  })

  it('retires a shared secret, also when no other one is there', async () => {
    const resourceKey = `https://vault-${database}.example`
    const making = { store: site.store, kek: Buffer.alloc(32, 7), random: randomBytes }
    const { key, secret } = await makeSharedSecret(making, resourceKey)
    await site.store.addKey({ key, onlyIfOlderThanSeconds: undefined, actor: 'test' })
    await site.server.context.keys.maintain()
    expect(await report(secret.reveal())).toMatchObject({ ended: 1 })
    const retired = (await site.store.listKeys(undefined)).filter(({ retiredAt }) => retiredAt !== undefined)
    expect(retired.map(({ id }) => id)).toContain(key.id)
  })

  it('finds the client of a secret among many, a page at a time', async () => {
    const leaked = strange('clientSecret')
    await registerClient(site.store, 'zz last of many', {}, leaked)
    const settings = JSON.stringify((await site.store.readClient('service'))?.settings)
    await test.query(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
       INSERT INTO clients (id, version, settings, secrets, not_before, created_at)
       SELECT 'many ' || i, i, '${settings}', '[{"hash":"none","madeAt":0}]', 0, 0 FROM n`,
    )
    expect(await report(leaked)).toMatchObject({ ended: 1 })
    await test.query("DELETE FROM clients WHERE id LIKE 'many %'")
  })

  it('gives nothing for a client secret that leaks while its finder asks', async () => {
    const leaked = strange('clientSecret')
    await registerClient(site.store, 'hasty', {}, leaked)
    const client = await site.store.readClient('hasty')
    expect(await report(leaked)).toMatchObject({ ended: 1 })
    const order = { clientId: 'hasty', scopes: ['read'], resourceKeys: [notes], assertion: undefined }
    const { outcome } = await site.store.issueForClient({ ...order, clientVersion: client?.version })
    expect(outcome).toBe('client_changed')
  })

  it('leaves nothing alive of a client secret that is used at that moment', async () => {
    for (let round = 0; round < 8; round++) {
      const leaked = strange('clientSecret')
      await registerClient(site.store, `used-${round}`, {}, leaked)
      const form = { grant_type: 'client_credentials' }
      const asking = Promise.all([1, 2, 3].map(() => site.post('/token', form, basic(`used-${round}`, leaked))))
      const [replies] = await Promise.all([asking, report(leaked)])
      for (const { status, body } of replies) {
        if (status !== 200) expect([401, 503]).toContain(status)
        else expect(await isActive(site, String(body['access_token']))).toBe(false)
      }
    }
  })

  const manyTokens = database === 'sqlite' ? 100_000 : 1_000
  it(`ends ${manyTokens} tokens of a client by one cut-off, and writes nothing for each`, async () => {
    const leaked = strange('clientSecret')
    await registerClient(site.store, 'leaky', {}, leaked)
    const form = { grant_type: 'client_credentials', resource: archive }
    const { access } = tokensOf(await site.post('/token', form, basic('leaky', leaked)))
    const { refresh: token } = await signInWith(leaked)
    await test.query(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${manyTokens})
       INSERT INTO access_tokens (token_key, jti, client_id, subject, audience, scope, issued_at, expires_at)
       SELECT 'token ' || i, 'jti ' || i, 'leaky', 'leaky', '${archive}', 'archive', ${site.clock.seconds()}, ${site.clock.seconds() + 600} FROM n`,
    )
    const countTokens = async () => (await test.query('SELECT COUNT(*) AS tokens FROM access_tokens'))[0]?.['tokens']
    const [before, tokens] = [await countRows(test), await countTokens()]
    expect(await report(leaked)).toMatchObject({ ended: 1 })
    const after = await countRows(test)
    // The cut-off, and the event that a credential was revoked.
    expect(Number(after['told']) - Number(before['told'])).toBe(2)
    expect([after['tokens'], await countTokens()]).toEqual([before['tokens'], tokens])
    expect(await isActive(site, access, 'archive-api')).toBe(false)
    for (const at of [1, manyTokens]) expect(await site.store.introspectOpaque(`token ${at}`)).toBeUndefined()
    expect((await site.post('/token', form, basic('leaky', leaked))).reason).toBe('client.secret_wrong')

    // Its grants as well: a new secret does not bring them back.
    const fresh = strange('clientSecret')
    await site.store.addClientSecret({ clientId: 'leaky', hash: sha256Base64url(fresh), actor: 'test' })
    const again = { grant_type: 'refresh_token', refresh_token: token }
    expect((await site.post('/token', again, basic('leaky', fresh))).status).toBe(400)
  })

  it('leaves nothing alive of a grant that is refreshed at that moment', async () => {
    for (let round = 0; round < 8; round++) {
      const { access, refresh: token } = await signIn(site)
      const [refreshed] = await Promise.all([refresh(site, token), report(access)])
      if (refreshed.status !== 200) continue
      const { access: newer, refresh: successor } = tokensOf(refreshed)
      expect(await isActive(site, newer)).toBe(false)
      expect((await refresh(site, successor)).reason).toBe('refresh.ended')
    }
  })

  async function signInWith(clientSecret: string) {
    const { form } = await mintCode(site, { clientId: 'leaky' })
    return tokensOf(await site.post('/token', form, basic('leaky', clientSecret)))
  }

  it('tells guards, the audit log and whoever is to be notified, in one transaction, and never the secret', async () => {
    const { access, refresh: token } = await signIn(site)
    await report(access)
    const told = (await columnOf('revocations', 'entry')).map((entry) => JSON.parse(entry))
    const { grant_id: grantId } = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString())
    expect(told).toContainEqual({ kind: 'grant', grantId, userId: site.userId, clientId: 'service' })
    const ended = { secret: 'arctos_jwt', ended: 'grant', id: grantId }
    const found = { url: 'https://code.example/0', source: 'commit' }
    expect((await columnOf('audit', 'facts')).map((facts) => JSON.parse(facts))).toContainEqual({ ...ended, ...found })
    const notices = (await columnOf('leak_notices', 'content')).map((content) => JSON.parse(content))
    const leak = { ...ended, client: 'service', user: site.userId, ...found }
    expect(notices).toContainEqual({ reporter: 'scanner', leaks: [leak] })
    expect(site.journal.at(-1)).toMatchObject({ endpoint: 'leaks', outcome: 'ended', alarm: 'secret_leaked' })
    const written = [await columnOf('audit', 'facts'), await columnOf('leak_notices', 'content'), site.journal]
    for (const secret of [access, token]) expect(JSON.stringify(written)).not.toContain(secret)
  })

  it('has no secret written down that stands in the address of the place', async () => {
    const [found, other] = [await signIn(site), await signIn(site)]
    const url = `https://code.example/token_${other.access}`
    await scanner.send(site, JSON.stringify([{ token: found.access, url, source: `log ${other.refresh}` }]))
    const written = [...(await columnOf('audit', 'facts')), ...(await columnOf('leak_notices', 'content'))].join()
    expect(written).toContain('[redacted]')
    for (const secret of [other.access, other.refresh]) expect(written).not.toContain(secret.slice(-40))
  })

  it('may come twice: what has ended stays as it was', async () => {
    const { access, refresh: token } = await signIn(site)
    const body = JSON.stringify([{ token: access }, { token }, { token }])
    const first = await scanner.send(site, body)
    expect(site.journal.at(-1)?.facts).toMatchObject({ ended: 1, dead: 1, repeated: 1 })
    const before = await countRows(test)
    const second = await scanner.send(site, body)
    expect([second.status, second.text]).toEqual([first.status, first.text])
    expect(site.journal.at(-1)).toMatchObject({ outcome: 'nothing_ended', facts: { ended: 0, dead: 2, repeated: 1 } })
    expect(await countRows(test)).toEqual(before)
  })

  it('answers alike to known, unknown and garbled secrets', async () => {
    const { access } = await signIn(site)
    const replies = [
      await scanner.report(site, [access]),
      await scanner.report(site, [strange('accessToken'), strange('refreshToken')]),
      await scanner.report(site, ['arctos_at_', 'eyJ.a.b', '', '🐻']),
      await scanner.report(site, []),
    ]
    const seen = replies.map(({ status, text, headers }) => [status, text, headers.get('content-type')])
    expect(seen).toEqual(replies.map(() => [200, '{}', 'application/json']))
  })

  it('ends nothing by a token that has expired: an old log is no reason to sign anybody out', async () => {
    const [jwt, opaque] = [await signIn(site), await signInOpaque(site)]
    site.clock.pass(601)
    expect(await report(jwt.access, opaque.access)).toMatchObject({ ended: 0, dead: 2 })
    expect((await refresh(site, jwt.refresh)).status).toBe(200)
  })

  it('ends nothing by 10,000 made-up secrets, nor by those that only begin like one', async () => {
    const { access, refresh: token } = await signIn(site)
    const before = await countRows(test)
    const kinds = secretPatterns.map(({ kind }) => kind)
    const made = Array.from({ length: 6_000 }, (_, at) => strange(kinds[at % kinds.length] ?? 'accessToken'))
    expect(await report(...made)).toMatchObject({ ended: 0, unknown: 6_000 })
    const altered = [token, ...kinds.map(strange)].map((text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'))
    expect(await report(...altered)).toMatchObject({ ended: 0, checksum: altered.length })
    const words = Array.from({ length: 9_990 }, (_, at) => `arctos_at_${at}`)
    expect(await report(...words, token.slice(0, -1), `${access}x`)).toMatchObject({
      ended: 0,
      checksum: 9_991,
      unrecognised: 1,
    })
    expect(await countRows(test)).toEqual(before)
    expect(await isActive(site, access)).toBe(true)
  })
})

describe('a forged report', () => {
  let test: TestStore
  let scanner: Scanner
  let site: Installation
  let token: string
  let body: string
  beforeAll(async () => {
    test = await openTestStore('sqlite', { now: undefined, migrated: false })
    scanner = await startScanner()
    site = await install({ url: test.address, leakReporters: [scanner.reporter] })
    token = (await signIn(site)).refresh
    body = JSON.stringify([{ token }])
  })
  afterAll(async () => {
    await site.end()
    await scanner.close()
    await test.close()
  })

  type Forgery = { readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  it.each<readonly [string, number, string, () => Forgery]>([
    ['without headers', 403, 'leak.unsigned', () => ({ headers: { 'github-public-key-signature': '' } })],
    ['under an unknown key', 403, 'leak.key_unknown', () => ({ headers: { 'github-public-key-identifier': 'key-9' } })],
    ['by another key', 403, 'leak.signature', () => ({ headers: signedHeaders(body, newKey()) })],
    ['by a key of another curve', 403, 'leak.signature', () => ({ headers: signedHeaders(body, newKey('P-384')) })],
    ['whose body was altered', 403, 'leak.signature', () => ({ body: `${body} `, headers: scanner.sign(body) })],
    ['that is not JSON', 400, 'leak.malformed', () => ({ body: '[{"token":' })],
    ['that is no array', 400, 'leak.malformed', () => ({ body: JSON.stringify({ token }) })],
    ['whose items are no objects', 400, 'leak.malformed', () => ({ body: JSON.stringify([token]) })],
    [
      'with one item of another form',
      400,
      'leak.malformed',
      () => ({ body: JSON.stringify([{ token }, { token: 7 }]) }),
    ],
    ['with more than 10,000 secrets', 400, 'leak.malformed', () => ({ body: listOf(10_001) })],
    ['of more than a mebibyte', 413, 'leak.too_large', () => ({ body: body.padEnd(1_048_577) })],
  ])('%s is refused, counted and explained, and ends nothing', async (_what, status, reason, forge) => {
    const before = await countRows(test)
    const forged = forge()
    const reply = await scanner.send(site, forged.body ?? body, forged.headers)
    expect([reply.status, reply.reason]).toEqual([status, reason])
    expect(site.journal.at(-1)).toMatchObject({ endpoint: 'leaks', status, reason })
    expect(await countRows(test)).toEqual(before)
  })

  const listOf = (count: number): string => JSON.stringify([{ token }, ...Array(count - 1).fill({ token: 'x' })])

  it('with as many secrets as there may be, and as many bytes, is none', async () => {
    const site = await install({ leakReporters: [scanner.reporter] })
    const reply = await scanner.send(site, listOf(10_000).padEnd(1_048_576))
    expect(reply.status).toBe(200)
    await site.end()
  })

  it('costs its sender: many of them are refused for a while', async () => {
    const site = await install({ leakReporters: [scanner.reporter] })
    const reasons = new Set<string | undefined>()
    for (let count = 0; count < 310; count++) reasons.add((await scanner.send(site, body, scanner.sign('[]'))).reason)
    expect([...reasons]).toEqual(['leak.signature', 'request.limited'])
    site.clock.pass(60)
    expect((await scanner.send(site, body)).status).toBe(200)
    await site.end()
  })

  it('which is an old one sent again, by anybody, does not keep its reporter from reporting', async () => {
    const site = await install({ leakReporters: [scanner.reporter] })
    const asAnother = askThrough(site.server, () => '198.51.100.7')
    const again = { method: 'POST', body: '[]', headers: scanner.sign('[]') }
    const statuses = new Set<number>()
    for (let count = 0; count < 301; count++) statuses.add((await asAnother('/leaks', again)).status)
    expect([...statuses]).toEqual([200, 429])
    expect((await scanner.send(site, body)).status).toBe(200)
    await site.end()
  })

  it('finds nothing at its address where nobody may report', async () => {
    const site = await install()
    const reply = await scanner.report(site, [token])
    expect([reply.status, reply.reason]).toEqual([404, 'page.not_found'])
    await site.end()
  })
})

describe('the keys of reporters', () => {
  const open = async (key: ReturnType<typeof newKey>, answer: Parameters<typeof serveLocally>[0]) => {
    const server = await serveLocally(answer)
    let now = 0
    const keys = createReporterKeys(server.url, () => now)
    const pass = (ms: number): void => {
      now += ms
    }
    return { server, keys, pass, key, [Symbol.asyncDispose]: server.close }
  }

  it('are asked for once, however many reports come at once or make up identifiers', async () => {
    const key = newKey()
    await using world = await open(key, (_request, response) => response.end(keyList(key)))
    const found = await Promise.all(Array.from({ length: 20 }, () => world.keys.find('key-1')))
    expect(found.map((each) => typeof each)).toEqual(found.map(() => 'object'))
    for (let count = 0; count < 50; count++) expect(await world.keys.find(`made up ${count}`)).toBe('unknown')
    expect(world.server.requests).toHaveLength(1)
    world.pass(10_000)
    await world.keys.find('made up')
    expect(world.server.requests).toHaveLength(2)
  })

  it('are used for a day where they cannot be had again, which is tried less and less often', async () => {
    const key = newKey()
    let isBroken = false
    await using world = await open(key, (_request, response) =>
      response.writeHead(isBroken ? 500 : 200).end(keyList(key)),
    )
    await world.keys.find('key-1')
    isBroken = true
    for (let minute = 0; minute < 24 * 60; minute++) {
      expect(typeof (await world.keys.find('key-1'))).toBe('object')
      world.pass(60_000)
    }
    expect(await world.keys.find('key-1')).toBe('unavailable')
    // Within an hour the keys are fresh; afterwards once in five minutes at the most, and a few times at first.
    expect(world.server.requests.length).toBeLessThan(1 + (23 * 60) / 5 + 8)
    isBroken = false
    world.pass(300_000)
    expect(typeof (await world.keys.find('key-1'))).toBe('object')
  })

  it.each<readonly [string, (response: ServerResponse) => unknown]>([
    ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
    ['more than is read', (response) => response.end(keyList(newKey()).padEnd(300_000))],
    ['no JSON', (response) => response.end('keys')],
    ['no list', (response) => response.end('{"public_keys":{}}')],
    ['a connection that breaks', (response) => response.destroy()],
  ])('are not there when the answer is %s', async (_what, answer) => {
    await using world = await open(newKey(), (_request, response) => void answer(response))
    expect(await world.keys.find('key-1')).toBe('unavailable')
    expect(world.server.requests).toHaveLength(1)
  })

  it('are on P-256: others, and what is no key, are left out', async () => {
    const [strange, good] = [newKey('P-384'), newKey()]
    await using world = await open(good, (_request, response) => {
      const { public_keys: keys } = JSON.parse(keyList(strange, good))
      response.end(JSON.stringify({ public_keys: [...keys, 7, {}, { key_identifier: 'key-3', key: 'no key' }] }))
    })
    expect(await world.keys.find('key-1')).toBe('unknown')
    expect(await world.keys.find('key-3')).toBe('unknown')
    expect(typeof (await world.keys.find('key-2'))).toBe('object')
  })

  it('answer 503 where there are none, so that the reporter comes again', async () => {
    const broken = await serveLocally((_request, response) => response.writeHead(500).end())
    const scanner = await startScanner()
    const site = await install({ leakReporters: [{ name: 'scanner', keysUrl: broken.url }] })
    const reply = await scanner.report(site, ['x'])
    expect([reply.status, reply.reason]).toEqual([503, 'leak.keys_unavailable'])
    expect(reply.headers.get('retry-after')).toBe('30')
    for (const each of [broken, scanner, { close: site.end }]) await each.close()
  })

  it('tell reporters apart that use the same headers, and each may have headers of its own', async () => {
    const [one, two] = [await startScanner(), await startScanner()]
    const headers = { keyIdentifierHeader: 'X-Key', signatureHeader: 'X-Signature' }
    const reporters = [
      { name: 'one', keysUrl: one.url, ...headers },
      { name: 'two', keysUrl: two.url },
    ]
    const site = await install({ leakReporters: reporters })
    const { 'github-public-key-identifier': key, 'github-public-key-signature': signature } = one.sign('[]')
    await site.send('/leaks', {
      method: 'POST',
      body: '[]',
      headers: { 'x-key': key ?? '', 'x-signature': signature ?? '' },
    })
    expect(site.journal.at(-1)?.facts).toMatchObject({ reporter: 'one' })
    await two.send(site, '[]')
    expect(site.journal.at(-1)?.facts).toMatchObject({ reporter: 'two' })
    expect((await one.send(site, '[]')).reason).toBe('leak.signature')
    for (const each of [one, two, { close: site.end }]) await each.close()
  })

  it('are looked for at every reporter: none takes the word of another by publishing its identifier', async () => {
    const [one, two] = [await startScanner(), await startScanner()]
    const reporters = [one, two].map(({ url }, at) => ({ name: `scanner ${at}`, keysUrl: url }))
    const site = await install({ leakReporters: reporters })
    for (const [at, each] of [one, two].entries()) {
      expect((await each.report(site, [])).status).toBe(200)
      expect(site.journal.at(-1)?.facts).toMatchObject({ reporter: `scanner ${at}` })
    }
    for (const each of [one, two, { close: site.end }]) await each.close()
  })

  it.each([
    [{ keysUrl: 'http://scanner.example/keys' }, 'https'],
    [{ keysUrl: 'file:///etc/passwd' }, 'https'],
    [{ keysUrl: 'https://user:word@scanner.example/' }, 'user name'],
    [{ keysUrl: 'keys' }, 'not a URL'],
    [{ name: '' }, 'name'],
    [{ signatureHeader: 'a b' }, 'no name of a header'],
  ])('come from an address that the operator may name: %o', (changes, problem) => {
    const reporter = { name: 'scanner', keysUrl: 'https://scanner.example/keys', ...changes }
    expect(reporterProblem([reporter])).toContain(problem)
    expect(
      reporterProblem([{ ...reporter, name: 'scanner', keysUrl: 'http://127.0.0.1:1/', signatureHeader: 'X-S' }]),
    ).toBeUndefined()
  })
})

const webhookSecret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`

describe.each(databaseKinds)('a webhook on %s', (database) => {
  let scanner: Scanner
  let test: TestStore
  beforeAll(async () => {
    scanner = await startScanner()
    test = await openTestStore(database, { now: undefined, migrated: false })
  })
  afterAll(async () => {
    await scanner.close()
    await test.close()
  })

  it('is told no more while the node ends, and later what was left', async () => {
    const hook = await serveLocally((_request, response) => response.end('{}'))
    const leakWebhook = { url: hook.url, secret: webhookSecret }
    const site = await install({ leakReporters: [scanner.reporter], leakWebhook })
    for (let count = 0; count < 3; count++) await scanner.report(site, [(await signIn(site)).refresh])
    const send = (isEnding: () => boolean) => site.server.context.leakSender?.sendDue(isEnding)
    await send(() => hook.requests.length === 1)
    expect(hook.requests).toHaveLength(1)
    site.clock.pass(120)
    await send(() => false)
    expect(hook.requests).toHaveLength(3)
    for (const each of [hook, { close: site.end }]) await each.close()
  })

  it('is told once, by one of many nodes, until it has understood, in a form that it can check', async () => {
    let status = 500
    const hook = await serveLocally((_request, response) => response.writeHead(status).end('{}'))
    const leakWebhook = { url: hook.url, secret: webhookSecret }
    const site = await install({ url: test.address, leakReporters: [scanner.reporter], leakWebhook })
    const nodes = [site.server, await site.startNode(), await site.startNode()]
    const sendDue = (): Promise<unknown> =>
      Promise.all(nodes.map(({ context }) => context.leakSender?.sendDue(() => false)))
    const { access } = await signIn(site)

    await sendDue()
    expect(hook.requests).toHaveLength(0)
    await scanner.report(site, [access])
    await sendDue()
    await sendDue()
    expect(hook.requests).toHaveLength(1)

    status = 204
    site.clock.pass(10)
    await sendDue()
    site.clock.pass(3_600)
    await sendDue()
    expect(hook.requests).toHaveLength(2)
    const [failed, done] = hook.requests
    expect(done?.headers['webhook-id']).toBe(failed?.headers['webhook-id'])
    const timestamp = Number(done?.headers['webhook-timestamp'])
    expect(timestamp).toBe(Number(failed?.headers['webhook-timestamp']) + 10)
    const text = `${done?.headers['webhook-id']}.${timestamp}.${done?.body}`
    const mac = createHmac('sha256', Buffer.alloc(32, 5)).update(text).digest('base64')
    expect(done?.headers['webhook-signature']).toBe(`v1,${mac}`)
    expect(JSON.parse(done?.body ?? '')).toMatchObject({
      type: 'leak.reported',
      data: {
        issuer: site.issuer,
        reporter: 'scanner',
        leaks: [{ secret: 'arctos_jwt', ended: 'grant', client: 'service' }],
      },
    })
    expect(done?.body).not.toContain(access)
    await hook.close()

    // A node that dies while it sends keeps its lease for a while, and no longer.
    await scanner.report(site, [(await signIn(site)).access])
    const lease = { limit: 8, leaseMs: 60_000 }
    const [taken] = await site.store.takeNotices(lease)
    expect(await site.store.takeNotices(lease)).toEqual([])
    expect(await site.store.hasDueNotice(undefined)).toBe(false)
    site.clock.pass(60)
    expect(await site.store.takeNotices(lease)).toEqual([{ ...taken, attempts: 2 }])
    await site.end()
  })
})

it.each([
  ['http://hooks.example/', webhookSecret, 'https'],
  ['https://hooks.example/', 'whsec_short', '24 to 64 bytes'],
  ['https://hooks.example/', Buffer.alloc(32).toString('hex'), 'whsec_'],
])('a webhook at %s with %s is refused', async (url, secret, problem) => {
  expect(webhookProblem({ url, secret })).toContain(problem)
  await expect(install({ leakWebhook: { url, secret } })).rejects.toThrow(problem)
})

describe('the environment of a server', () => {
  it('is told by every secret that it makes, and secrets of the other one are understood', async () => {
    const site = await install({ environment: 'test' })
    const mark = /^arctos_test_/
    const { access, refresh: token } = await signInOpaque(site)
    const successor = tokensOf(await refresh(site, token))
    const own = tokensOf(await ownToken(site, { resource: archive }))
    for (const each of [access, token, successor.access, successor.refresh, own.access]) expect(each).toMatch(mark)
    expect(await isActive(site, own.access, 'archive-api')).toBe(true)
    // A code from before this server was said to be a test server.
    const { form } = await mintCode(site)
    expect(form['code']).toMatch(/^arctos_ac_/)
    expect(tokensOf(await ask(site, form)).refresh).toMatch(mark)
    await site.end()
  })
})
