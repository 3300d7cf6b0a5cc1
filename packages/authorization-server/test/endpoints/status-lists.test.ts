import { gunzipSync } from 'node:zlib'
import {
  decodeUnverifiedStatusList,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  parseJsonObjectText,
  readStatusReference,
  type StatusReference,
  statusAt,
  type VerificationKey,
  type VerifiedStatusList,
  verifyStatusList,
} from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decoyShare, decoysAt } from '../../src/status-lists/decoys.ts'
import { createPermutation } from '../../src/status-lists/permutation.ts'
import { databaseKinds } from './databases.ts'
import { ask, introspect, mintCode, ownToken, refresh, revoke, signIn, tokensOf } from './flows.ts'
import { archive, askThrough, type Installation, install, peer } from './installation.ts'

const experimental = { tokenStatusList: 'draft-21' } as const
const ttl = 30
const by = { actor: 'test', initiator: 'admin' } as const

function claimsOf(token: string): JsonObject {
  return parseJsonObjectText(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) ?? {}
}

function referenceIn(token: string): StatusReference {
  const reference = readStatusReference(claimsOf(token))
  if (reference === undefined || reference === 'malformed') throw new Error('the token has no status')
  return reference
}

async function keyNamed(site: Installation, kid: string): Promise<VerificationKey> {
  const { keys } = (await site.send('/jwks')).body as { keys: JsonObject[] }
  const key = importVerificationKey(keys.find((jwk) => jwk['kid'] === kid) ?? {}, site.issuer)
  if (!isVerificationKey(key)) throw new Error(`the key set has no usable ${kid}`)
  return key
}

const pathOf = (site: Installation, uri: string): string => uri.replace(site.issuer, '')

/** A published list, verified as a guard does. */
async function readList(
  site: Installation,
  uri: string,
  send = site.send,
): Promise<VerifiedStatusList & { kid: string }> {
  const { status, text } = await send(pathOf(site, uri))
  expect(status).toBe(200)
  const unverified = decodeUnverifiedStatusList(text, 1_000_000)
  const expected = { issuer: site.issuer, uri, notOlderThan: 0, clockToleranceSeconds: 0, byteLimit: 2 ** 20 }
  const list = await verifyStatusList(unverified, await keyNamed(site, unverified.kid), expected, site.clock.seconds())
  return { ...list, kid: unverified.kid }
}

/** What the list says of each token, once whatever is published by now is old. */
async function statusesOf(site: Installation, ...tokens: readonly string[]): Promise<readonly (number | undefined)[]> {
  site.clock.pass(ttl)
  const statuses: (number | undefined)[] = []
  for (const token of tokens) {
    const { index, uri } = referenceIn(token)
    statuses.push(statusAt((await readList(site, uri)).list, index))
  }
  return statuses
}

const own = async (site: Installation, clientId = 'service'): Promise<string> =>
  tokensOf(await ownToken(site, {}, clientId)).access

describe.each(databaseKinds)('what was taken back, in the status lists of %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database, experimental })
  })
  afterAll(() => site.end())

  it('is a grant, and no other one', async () => {
    const [one, other] = [await signIn(site), await signIn(site)]
    expect(await statusesOf(site, one.access, other.access)).toEqual([0, 0])
    await revoke(site, one.refresh)
    expect(await statusesOf(site, one.access, other.access)).toEqual([1, 0])
  })

  it('is a family whose refresh token came a second time, with all of its access tokens', async () => {
    const first = await signIn(site, { clientId: 'app' })
    const second = tokensOf(await refresh(site, first.refresh, 'app'))
    tokensOf(await refresh(site, second.refresh, 'app'))
    expect(referenceIn(second.access)).toEqual(referenceIn(first.access))
    expect((await refresh(site, first.refresh, 'app')).reason).toBe('refresh.reused')
    expect(await statusesOf(site, first.access, second.access)).toEqual([1, 1])
  })

  it('is a grant without a refresh token whose code was replayed', async () => {
    const { form } = await mintCode(site, { scopes: ['read'] })
    const tokens = tokensOf(await ask(site, form))
    await ask(site, form)
    expect(await statusesOf(site, tokens.access)).toEqual([1])
  })

  it('is a user at one client', async () => {
    const [here, there] = [await signIn(site), await signIn(site, { clientId: 'app' })]
    await site.store.cutOffUserAtClient({ userId: site.userId, clientId: 'service', ...by })
    site.clock.pass(2)
    expect(await statusesOf(site, here.access, there.access)).toEqual([1, 0])
  })

  it('is a user everywhere, until the next sign-in', async () => {
    const before = await signIn(site)
    await site.store.cutOffSubject({ userId: site.userId, ...by })
    site.clock.pass(2)
    const after = await signIn(site)
    expect(await statusesOf(site, before.access, after.access)).toEqual([1, 0])
  })

  it('is a client: its grants, and what it got for itself, until it asks again', async () => {
    const grant = await signIn(site)
    const [before, other] = [await own(site), await own(site, 'rival')]
    await site.store.cutOffClient({ clientId: 'service', ...by })
    const atOnce = await own(site)
    site.clock.pass(2)
    const after = await own(site)
    expect(await statusesOf(site, grant.access, before, other, atOnce, after)).toEqual([1, 1, 0, 0, 0])
  })

  it('is a client that was disabled, and stays so when it is enabled again', async () => {
    const before = await own(site, 'rival')
    await site.store.updateClient({ id: 'rival', disabled: true, actor: 'test' })
    expect(await statusesOf(site, before)).toEqual([1])
    await site.store.updateClient({ id: 'rival', disabled: false, actor: 'test' })
    expect(await statusesOf(site, before, await own(site, 'rival'))).toEqual([1, 0])
  })

  it('is a client that was deleted', async () => {
    const before = await own(site, 'reader')
    await site.store.deleteClient({ id: 'reader', actor: 'test' })
    expect(await statusesOf(site, before)).toEqual([1])
  })

  it('is everything before an instant, and nothing after', async () => {
    const [old, oldOwn] = [await signIn(site), await own(site)]
    site.clock.pass(600)
    const instant = site.clock.seconds()
    const [young, youngOwn] = [await signIn(site), await own(site)]
    site.clock.pass(5)
    await site.store.cutOffAll({ before: instant, ...by })
    expect(await statusesOf(site, old.access, oldOwn, young.access, youngOwn)).toEqual([1, 1, 0, 0])
    await site.store.cutOffAll(by)
    expect(await statusesOf(site, young.access, youngOwn, await own(site))).toEqual([1, 1, 0])
  })

  it('is neither what has expired, nor a grant whose scopes have changed, nor one token', async () => {
    const [expired, changed, single] = [await signIn(site), await signIn(site), await signIn(site)]
    await site.store.cutOffClaims({ grantId: String(claimsOf(changed.access)['grant_id']), ...by })
    await revoke(site, single.access)
    site.clock.pass(15 * 86_400)
    expect((await refresh(site, expired.refresh)).body['error']).toBe('invalid_grant')
    expect(await statusesOf(site, expired.access, changed.access, single.access)).toEqual([0, 0, 0])
  })

  it('is published a few seconds later, before its time, where somebody does that', async () => {
    const { access, refresh: token } = await signIn(site)
    const { index, uri } = referenceIn(access)
    const { statusLists } = site.server.context
    site.clock.pass(ttl)
    await statusLists?.publishDue()
    await revoke(site, token)
    await site.store.numberRevocations(100)
    site.clock.pass(2)
    await statusLists?.publishDue()
    expect(statusAt((await readList(site, uri)).list, index)).toBe(0)
    site.clock.pass(1)
    await statusLists?.publishDue()
    expect(statusAt((await readList(site, uri)).list, index)).toBe(1)
  })

  it('is told under one address by all nodes, none of which is ever behind another', async () => {
    const { access } = await signIn(site)
    const { uri } = referenceIn(access)
    const nodes = [site.server, await site.startNode({ experimental }), await site.startNode({ experimental })]
    let last = 0
    for (let round = 0; round < 3; round++) {
      site.clock.pass(ttl)
      const lists = await Promise.all(nodes.map((node) => readList(site, uri, askThrough(node))))
      const times = lists.map((list) => list.issuedAt)
      expect(Math.min(...times)).toBeGreaterThanOrEqual(last)
      last = Math.max(...times)
      expect((await readList(site, uri)).issuedAt).toBe(site.clock.seconds())
    }
  })
})

describe.each(databaseKinds)('the places of tokens in %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database, experimental })
  })
  afterAll(() => site.end())

  let lists = 0
  const emptyList = async () => {
    lists += 1
    const candidate = { id: `empty-${lists}`, sealed: '' }
    return (await site.store.reserveStatusIndexes({ lifeBits: 30 + lists, count: 1, share: 1, candidate })).list
  }

  it('are one for what a client gets for itself within five minutes of expiry, on every node', async () => {
    const node = await site.startNode({ experimental })
    const elsewhere = { ...site, server: node, send: askThrough(node) }
    const post: Installation['post'] = (path, form, headers) =>
      elsewhere.send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(form as Record<string, string>).toString(),
      })
    // Bring the expiry to where a bucket begins, so that both tokens are in it.
    site.clock.pass(300 - ((site.clock.seconds() + 600) % 300) + 1)
    const [first, second] = [await own(site), await own({ ...elsewhere, post })]
    expect(referenceIn(second)).toEqual(referenceIn(first))
    expect(referenceIn(await own(site, 'machine'))).not.toEqual(referenceIn(first))
    site.clock.pass(300)
    expect(referenceIn(await own(site))).not.toEqual(referenceIn(first))
  })

  it('are published by nobody with a time before that of the last list', async () => {
    const { id } = await emptyList()
    const publication = { id, version: 0, issuedAt: 100, kid: 'key', head: 0, token: 'first' }
    expect(await site.store.publishStatusList(publication)).toEqual({ published: true })
    expect(await site.store.publishStatusList(publication)).toEqual({ published: false })
    expect(await site.store.publishStatusList({ ...publication, version: 1, issuedAt: 99 })).toEqual({
      published: false,
    })
    const again = { ...publication, version: 1, token: 'second' }
    expect(await site.store.publishStatusList(again)).toEqual({ published: true })
    const read = await site.store.readStatusListToken({ id, knownVersion: 1 })
    expect(read).toMatchObject({ version: 2, issuedAt: 100, token: 'second' })
  })

  it('are published by one node at a time, until that has been at it for too long', async () => {
    const { id } = await emptyList()
    const claim = () => site.store.claimStatusList({ id, version: 0 })
    expect([(await claim())?.now, await claim()]).toEqual([site.clock.seconds(), undefined])
    site.clock.pass(30)
    expect((await claim())?.now).toBe(site.clock.seconds())
  })

  it('are in another list when one is full or closed, and lists end after their tokens', async () => {
    const reserve = (id: string, count: number) =>
      site.store.reserveStatusIndexes({ lifeBits: 20, count, share: 1 - decoyShare, candidate: { id, sealed: '' } })
    const whole = 2 ** 18 - 2 ** 14
    expect(await reserve('first', whole - 10)).toMatchObject({ list: { id: 'first', bits: 18 }, from: 0, made: true })
    expect(await reserve('second', 20)).toMatchObject({
      list: { id: 'first' },
      from: whole - 10,
      to: whole,
      made: false,
    })
    expect(await reserve('second', 20)).toMatchObject({ list: { id: 'second', bits: 20 }, from: 0, to: 20, made: true })
    site.clock.pass(2 ** 18)
    const { list } = await reserve('third', 20)
    expect(list).toMatchObject({ id: 'third', bits: 18 })
    expect(list.expiresAt).toBeGreaterThan(list.openUntil + 2 ** 20)
    const ids = async () => (await site.store.listStatusLists(undefined)).lists.map(({ id }) => id)
    expect(await ids()).toContain('third')
    site.clock.pass(list.expiresAt - site.clock.seconds())
    expect(await ids()).not.toContain('third')
  })
})

describe('an address of a status list', () => {
  let site: Installation
  let uri: string
  let path: string
  beforeAll(async () => {
    site = await install({ experimental })
    uri = referenceIn((await signIn(site)).access).uri
    path = pathOf(site, uri)
  })
  afterAll(() => site.end())

  it('is below the issuer, and gives a signed list that names it', async () => {
    const reply = await site.send(path)
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'application/statuslist+jwt'])
    expect(uri).toBe(`${site.issuer}/status-lists/${path.slice(path.lastIndexOf('/') + 1)}`)
    const claims = claimsOf(reply.text)
    expect(claims).toMatchObject({ iss: site.issuer, sub: uri, ttl, status_list: { bits: 1 } })
    expect(claims).toMatchObject({ status_list: { aggregation_uri: `${site.issuer}/status-lists` } })
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(10 * ttl)
    expect(JSON.parse(Buffer.from(reply.text.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({
      typ: 'statuslist+jwt',
    })
    expect(reply.headers.get('access-control-allow-origin')).toBe('*')
  })

  it('gives a list of at least 2^17 statuses', async () => {
    expect((await readList(site, uri)).list.bytes.byteLength * 8).toBeGreaterThanOrEqual(2 ** 17)
  })

  it('says how long the list can be kept, and that it has not changed [RFC 9110 §13.1.2]', async () => {
    site.clock.pass(ttl)
    const { headers } = await site.send(path)
    const etag = headers.get('etag') ?? ''
    expect(headers.get('cache-control')).toBe(`public, max-age=${ttl}`)
    site.clock.pass(10)
    const again = await site.send(path, { headers: { 'if-none-match': `"other", W/${etag}` } })
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag])
    expect(again.headers.get('cache-control')).toBe(`public, max-age=${ttl - 10}`)
    expect((await site.send(path, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
  })

  it('gives a list that is signed anew every ttl, though nothing has changed', async () => {
    site.clock.pass(ttl)
    const first = await readList(site, uri)
    site.clock.pass(ttl - 1)
    expect((await readList(site, uri)).issuedAt).toBe(first.issuedAt)
    site.clock.pass(1)
    expect((await readList(site, uri)).issuedAt).toBe(first.issuedAt + ttl)
  })

  it('gives a list under another key when its key was withdrawn', async () => {
    const { kid } = await readList(site, uri)
    await site.server.context.keys.rotate({ immediately: true, actor: 'test' })
    await site.store.retireKey({ id: kid, actor: 'test' })
    await site.server.context.keys.maintain()
    await site.server.context.statusLists?.publishDue()
    expect((await readList(site, uri)).kid).not.toBe(kid)
  })

  it('is compressed once more for who accepts that, under a tag of its own [RFC 9110 §8.8.3]', async () => {
    const plain = await site.send(path)
    const zipped = async (encoding: string) =>
      site.server.handle(new Request(site.issuer + path, { headers: { 'accept-encoding': encoding } }), peer, path)
    const reply = await zipped('br, gzip')
    const { headers } = reply
    expect([headers.get('content-encoding'), headers.get('vary')]).toEqual(['gzip', 'accept, accept-encoding'])
    expect(gunzipSync(Buffer.from(await reply.arrayBuffer())).toString()).toBe(plain.text)
    expect(headers.get('etag')).not.toBe(plain.headers.get('etag'))
    for (const encoding of ['br', 'gzip;q=0', '', '*;q=0'])
      expect([encoding, (await zipped(encoding)).headers.get('content-encoding')]).toEqual([encoding, null])
  })

  it.each([
    undefined,
    '*/*',
    'application/*',
    'application/statuslist+jwt',
    'text/html, application/statuslist+jwt;q=0.1',
  ])('gives it to who accepts %s', async (accept) => {
    expect((await site.send(path, accept === undefined ? {} : { headers: { accept } })).status).toBe(200)
  })

  it.each(['application/statuslist+cwt', 'text/html', '*/*, application/statuslist+jwt;q=0'])(
    'gives nothing to who accepts %s [RFC 9110 §15.5.7]',
    async (accept) => {
      const reply = await site.send(path, { headers: { accept } })
      expect([reply.status, reply.reason]).toEqual([406, 'request.not_acceptable'])
    },
  )

  it('gives no former list in place of the present one [RFC 9110 §15.6.2]', async () => {
    const reply = await site.send(`${path}?time=1686925000`)
    expect([reply.status, reply.reason]).toEqual([501, 'request.not_offered'])
  })

  it('gives nothing where there is no list', async () => {
    for (const other of [`${path}x`, `${path}/x`, '/status-lists/', '/status-lists/..'])
      expect([(await site.send(other)).status, other]).toEqual([404, other])
    expect((await site.send(path, { method: 'POST' })).status).toBe(405)
  })

  it('is among those that the metadata leads to', async () => {
    const metadata = (await site.send('/.well-known/oauth-authorization-server')).body
    expect(metadata['status_list_aggregation_endpoint']).toBe(`${site.issuer}/status-lists`)
    expect(metadata['arctos_experimental']).toEqual({ token_status_list: 'draft-ietf-oauth-status-list-21' })
    const lists = await site.send('/status-lists')
    expect([lists.status, lists.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(lists.body['status_lists']).toContain(uri)
  })

  it('is told by introspection, too', async () => {
    const { access } = await signIn(site)
    expect((await introspect(site, access)).body['status']).toEqual(claimsOf(access)['status'])
  })

  it('is in no opaque token, and no list is asked for one', async () => {
    const { form } = await mintCode(site, { resources: [archive], scopes: ['archive'] })
    expect(tokensOf(await ask(site, form)).access).toMatch(/^arctos_at_/)
    const places = tokensOf(await ownToken(site, { resource: archive }))
    expect(places.access).toMatch(/^arctos_at_/)
  })
})

describe('an index that a node holds', () => {
  it('is not used up by exchanges that fail', async () => {
    const site = await install({ experimental })
    const { form } = await mintCode(site)
    tokensOf(await ask(site, form))
    const candidate = { id: 'unused', sealed: '' }
    // Of grants with a refresh token, and without.
    const next = (): Promise<number[]> =>
      Promise.all(
        [18, 23].map(async (lifeBits) => {
          return (await site.store.reserveStatusIndexes({ lifeBits, count: 1, share: 1, candidate })).from
        }),
      )
    const before = await next()
    for (let count = 0; count < 520; count += 104) await Promise.all(Array.from({ length: 104 }, () => ask(site, form)))
    expect(await next()).toEqual(before.map((each) => each + 1))
    await site.end()
  })
})

describe('a server without status lists', () => {
  it('says nothing of them, anywhere', async () => {
    const site = await install()
    try {
      const { access } = await signIn(site)
      expect([claimsOf(access)['status'], claimsOf(await own(site))['status']]).toEqual([undefined, undefined])
      expect((await site.send('/status-lists')).status).toBe(404)
      const metadata = (await site.send('/.well-known/oauth-authorization-server')).body
      expect([metadata['status_list_aggregation_endpoint'], metadata['arctos_experimental']]).toEqual([
        undefined,
        undefined,
      ])
      expect((await site.store.listStatusLists(undefined)).lists).toEqual([])
    } finally {
      await site.end()
    }
  })

  it('takes no other draft, and no other time to live', async () => {
    for (const wrong of [{ tokenStatusList: 'draft-20' as 'draft-21' }, { ...experimental, statusListTtlSeconds: 4 }])
      await expect(install({ experimental: wrong })).rejects.toThrow(TypeError)
  })

  it('issues nothing that names a list when it was switched off', async () => {
    const site = await install({ experimental })
    try {
      const { refresh: token } = await signIn(site)
      const off = await site.startNode({ experimental: {} })
      const send = askThrough(off)
      const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token })
      const authorization = `Basic ${Buffer.from('service:arctos_cs_a-secret-of-the-tests').toString('base64')}`
      const reply = await send('/token', { method: 'POST', body: form, headers: { authorization } })
      expect(claimsOf(tokensOf(reply).access)['status']).toBeUndefined()
    } finally {
      await site.end()
    }
  })
})

describe('the order of indexes', () => {
  const key = Buffer.alloc(32, 1)

  it('has each of them once', () => {
    const permute = createPermutation(key, 12)
    const indexes = new Set(Array.from({ length: 4_096 }, (_, counter) => permute(counter)))
    expect([indexes.size, Math.min(...indexes), Math.max(...indexes)]).toEqual([4_096, 0, 4_095])
  })

  it('tells nobody without the key which came first', () => {
    const [permute, other] = [createPermutation(key, 18), createPermutation(Buffer.alloc(32, 2), 18)]
    const first = Array.from({ length: 1_000 }, (_, counter) => permute(counter))
    expect(first).not.toEqual(Array.from({ length: 1_000 }, (_, counter) => other(counter)))
    // Neighbours of the counter lie a third of the list apart on average, as random ones do.
    const distances = first.slice(1).map((index, at) => Math.abs(index - (first[at] ?? 0)))
    const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length / 2 ** 18
    expect(Math.abs(mean - 1 / 3)).toBeLessThan(0.05)
  })

  it('has decoys that no token has, more of them as time goes by, and the same on every node', () => {
    const at = (now: number) => decoysAt(key, 18, { madeAt: 0, expiresAt: 1_000, now })
    const taken = new Set(Array.from({ length: 2 ** 18 * (1 - decoyShare) }, (_, counter) => createPermuted(counter)))
    expect(at(0)).toEqual([])
    expect(at(500)).toEqual(at(500))
    expect(at(1_000)).toEqual(expect.arrayContaining([...at(500)]))
    expect(at(500).length).toBeGreaterThan(50)
    expect(at(1_000).length).toBeGreaterThanOrEqual(256)
    expect(at(1_000).some((index) => taken.has(index))).toBe(false)
  })

  const createPermuted = createPermutation(key, 18)
})
