import { createPrivateKey, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  createAuthorizationServer,
  openStore,
  readReceiptKeys,
  rotateSigningKey,
  type SigningAlgorithm,
  signingAlgorithms,
  WrongKeyEncryptionKey,
} from '@arctos/authorization-server'
import { openReceipt } from '@arctos/core'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsealKey } from '../../src/keys/key-encryption.ts'
import { databaseKinds, makeDatabase } from '../endpoints/databases.ts'
import { introspect, isActive, ownToken, refresh, signIn, tokensOf } from '../endpoints/flows.ts'
import { askThrough, basic, formRequest, type Installation, install, notes } from '../endpoints/installation.ts'

const day = 86_400

interface PublishedKey extends Readonly<Record<string, unknown>> {
  readonly kid: string
}

async function publishedKeys(site: Installation): Promise<readonly PublishedKey[]> {
  return (await site.send('/jwks')).body['keys'] as PublishedKey[]
}

async function newKid(site: Installation): Promise<string | undefined> {
  return decodeProtectedHeader(tokensOf(await ownToken(site)).access).kid
}

describe('a withdrawn key', () => {
  it('proves nothing at other nodes as soon as they hear of it', async () => {
    const site = await install()
    const stop = site.server.startUpkeep()
    const { access } = tokensOf(await ownToken(site))
    const { kid = '' } = decodeProtectedHeader(access)
    await site.server.context.keys.rotate({ immediately: true, actor: 'test' })
    expect(await isActive(site, access)).toBe(true)
    // As another process would.
    expect(await site.store.retireKey({ id: kid, actor: 'test' })).toEqual({ outcome: 'retired' })
    // Two seconds, where upkeep by itself reads the keys every five.
    let looks = 100
    await new Promise<void>((resolve) => {
      const unwatch = site.server.context.sequencer.watch(() => {
        looks--
        if (looks > 0 && site.server.context.keys.verificationKey(kid) !== undefined) return
        unwatch()
        resolve()
      })
    })
    expect(await isActive(site, access)).toBe(false)
    expect(await newKid(site)).not.toBe(kid)
    await stop()
    await site.end()
  })
})

describe('the published keys', () => {
  let site: Installation
  beforeAll(async () => {
    site = await install()
  })
  afterAll(() => site.end())

  it('may be kept for half a minute, and are asked for again by their tag', async () => {
    const first = await site.send('/jwks')
    expect(first.headers.get('content-type')).toBe('application/jwk-set+json')
    expect(first.headers.get('cache-control')).toBe('public, max-age=30')
    expect(first.headers.get('access-control-allow-origin')).toBe('*')
    const tag = first.headers.get('etag') ?? ''
    expect(tag).toMatch(/^"[\w-]{43}"$/)
    for (const held of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const again = await site.send('/jwks', { headers: { 'if-none-match': held } })
      expect([held, again.status, again.text, again.headers.get('etag')]).toEqual([held, 304, '', tag])
    }
    for (const held of ['"other"', tag.slice(1, -1), 'W/"other"'])
      expect([held, (await site.send('/jwks', { headers: { 'if-none-match': held } })).status]).toEqual([held, 200])
  })

  it('are answered to HEAD without a body, and to nothing else', async () => {
    const head = await site.send('/jwks', { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([200, ''])
    expect((await site.send('/jwks', { method: 'POST' })).status).toBe(405)
  })

  it('get another tag when they change', async () => {
    const before = (await site.send('/jwks')).headers.get('etag')
    await site.server.context.keys.rotate({ immediately: false, actor: 'test' })
    expect((await site.send('/jwks')).headers.get('etag')).not.toBe(before)
  })
})

describe.each(signingAlgorithms)('a key for %s', (signingAlgorithm) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ signingAlgorithm })
  })
  afterAll(() => site.end())

  const publicMembers = {
    ES256: ['crv', 'x', 'y'],
    RS256: ['e', 'n'],
    PS256: ['e', 'n'],
    EdDSA: ['crv', 'x'],
    Ed25519: ['crv', 'x'],
  }

  it('is published with its name, algorithm and use, and nothing that is private', async () => {
    const [key, ...others] = await publishedKeys(site)
    expect(others).toEqual([])
    expect(Object.keys(key ?? {}).sort()).toEqual(
      ['alg', 'kid', 'kty', 'use', ...publicMembers[signingAlgorithm]].sort(),
    )
    expect(key).toMatchObject({ alg: signingAlgorithm, use: 'sig', kid: expect.stringMatching(/^[\w-]{16}$/) })
  })

  it('signs tokens that its published half verifies [RFC 9068 §2.1(b)(c)(d)(g), RFC 9068 §4(m)]', async () => {
    const { access } = await signIn(site)
    const { protectedHeader } = await jwtVerify(
      access,
      createLocalJWKSet({ keys: (await publishedKeys(site)) as never }),
      {
        issuer: site.issuer,
        audience: notes,
        typ: 'at+jwt',
      },
    )
    const [key] = await publishedKeys(site)
    expect(protectedHeader).toEqual({ alg: signingAlgorithm, kid: key?.kid, typ: 'at+jwt' })
  })

  it('is offered for assertions, too', async () => {
    const { body } = await site.send('/.well-known/oauth-authorization-server')
    expect(body['token_endpoint_auth_signing_alg_values_supported']).toContain(signingAlgorithm)
  })
})

describe('rotation', () => {
  it('publishes a key before it signs, and keeps the former one for as long as its tokens live', async () => {
    const site = await install()
    const { keys } = site.server.context
    const first = await newKid(site)
    site.clock.pass(30 * day)
    await keys.maintain()
    expect(await publishedKeys(site)).toHaveLength(1)

    site.clock.pass(1)
    await keys.maintain()
    const kids = (await publishedKeys(site)).map(({ kid }) => kid)
    expect([kids.length, kids[0], await newKid(site)]).toEqual([2, first, first])
    site.clock.pass(119)
    expect(await newKid(site)).toBe(first)
    const last = tokensOf(await ownToken(site)).access
    site.clock.pass(1)
    expect(await newKid(site)).toBe(kids[1])
    expect(await isActive(site, last)).toBe(true)

    site.clock.pass(day)
    await keys.maintain()
    expect(await publishedKeys(site)).toHaveLength(2)
    site.clock.pass(1)
    await keys.maintain()
    expect((await publishedKeys(site)).map(({ kid }) => kid)).toEqual([kids[1]])
    await site.end()
  })

  it('on request is the same, or at once in an emergency', async () => {
    const site = await install()
    const { keys } = site.server.context
    const first = await newKid(site)
    const second = await keys.rotate({ immediately: false, actor: 'test' })
    expect([(await publishedKeys(site)).map(({ kid }) => kid), await newKid(site)]).toEqual([[first, second], first])
    site.clock.pass(120)
    expect(await newKid(site)).toBe(second)
    site.clock.pass(1)
    const third = await keys.rotate({ immediately: true, actor: 'test' })
    expect(await newKid(site)).toBe(third)
    await site.end()
  })

  it('leaves sessions alone: refresh tokens and receipts go on', async () => {
    const site = await install()
    const { refresh: token } = await signIn(site)
    const receipt = (await site.post('/token', '')).headers.get('arctos-receipt') ?? ''
    site.clock.pass(6 * day)
    await site.server.context.keys.maintain()
    await site.server.context.keys.rotate({ immediately: true, actor: 'test' })
    expect((await refresh(site, token)).status).toBe(200)
    expect(site.server.context.receipts.open(receipt)?.reason).toBe('client.missing')
    await site.end()
  })

  it('makes receipts unreadable after a week and a day', async () => {
    const site = await install()
    const receipt = (await site.post('/token', '')).headers.get('arctos-receipt') ?? ''
    for (let days = 0; days < 8; days++) {
      site.clock.pass(day)
      await site.server.context.keys.maintain()
      await site.store.purgeExpired(100)
    }
    await site.server.context.keys.maintain()
    expect(site.server.context.receipts.open(receipt)).toBeUndefined()
    expect((await site.post('/token', '')).reason).toBe('client.missing')
    await site.end()
  })

  it('makes tokens of a key that is gone inactive', async () => {
    const site = await install()
    const { access } = tokensOf(await ownToken(site))
    const kid = decodeProtectedHeader(access).kid ?? ''
    await site.server.context.keys.rotate({ immediately: true, actor: 'test' })
    expect(await site.store.retireKey({ id: kid, actor: 'test' })).toEqual({ outcome: 'retired' })
    await site.server.context.keys.maintain()
    expect((await introspect(site, access)).text).toBe('{"active":false}')
    expect((await publishedKeys(site)).map((key) => key.kid)).not.toContain(kid)
    expect(await isActive(site, tokensOf(await ownToken(site)).access)).toBe(true)
    await site.end()
  })
})

describe('a withdrawn key', () => {
  it('is never the last one that signs', async () => {
    const site = await install()
    const kid = (await newKid(site)) ?? ''
    const retire = () => site.store.retireKey({ id: kid, actor: 'test' })
    expect(await retire()).toEqual({ outcome: 'last' })
    await site.server.context.keys.rotate({ immediately: false, actor: 'test' })
    expect(await retire()).toEqual({ outcome: 'last' })
    site.clock.pass(120)
    expect(await retire()).toEqual({ outcome: 'retired' })
    await site.end()
  })

  it('is deleted some day', async () => {
    const site = await install()
    const { keys } = site.server.context
    const id = (await newKid(site)) ?? ''
    await keys.rotate({ immediately: true, actor: 'test' })
    await site.store.retireKey({ id, actor: 'test' })
    const isListed = async () => (await site.store.listKeys(undefined)).some((key) => key.id === id)
    site.clock.pass(90 * day - 1)
    await site.store.purgeExpired(100)
    expect(await isListed()).toBe(true)
    site.clock.pass(1)
    await site.store.purgeExpired(100)
    expect(await isListed()).toBe(false)
    await site.end()
  })
})

describe('another algorithm', () => {
  it('takes nothing from a server that signs with the former one', async () => {
    const site = await install({ signingAlgorithm: 'RS256' })
    const { keys } = site.server.context
    const other = await site.startNode({ signingAlgorithm: 'ES256' })
    site.clock.pass(25 * 3_600)
    for (const ring of [keys, other.context.keys, keys]) await ring.maintain()
    const { access } = tokensOf(await ownToken(site))
    expect(decodeProtectedHeader(access).alg).toBe('RS256')
    expect(await isActive(site, access)).toBe(true)
    expect(keys.algorithms()).toEqual(['RS256', 'ES256'])
    await site.end()
  })

  it('is published before it signs, too, and the way back is open [RFC 9068 §2.1(d)]', async () => {
    const site = await install()
    const ask = askThrough
    const algorithmOf = async (server: Awaited<ReturnType<typeof site.startNode>>): Promise<string | undefined> => {
      const form = formRequest({ grant_type: 'client_credentials' }, basic('service'))
      return decodeProtectedHeader(tokensOf(await ask(server)('/token', form)).access).alg
    }
    const rsa = await site.startNode({ signingAlgorithm: 'RS256' })
    expect([await algorithmOf(rsa), rsa.context.keys.algorithms()]).toEqual(['ES256', ['ES256', 'RS256']])
    site.clock.pass(120)
    expect(await algorithmOf(rsa)).toBe('RS256')
    site.clock.pass(day + 1)
    await rsa.context.keys.maintain()
    // The server that started first still signs with it.
    expect(rsa.context.keys.algorithms()).toEqual(['ES256', 'RS256'])
    expect(await algorithmOf(await site.startNode({ signingAlgorithm: 'ES256' }))).toBe('ES256')
    await site.end()
  })
})

describe('reading and rotating without a server', () => {
  const kek = Buffer.alloc(32, 9)
  const kidsOf = async (site: Installation) => (await site.store.listKeys(undefined)).map(({ id }) => id)

  it('opens receipts and leaves the keys as they are', async () => {
    const site = await install({ signingAlgorithm: 'RS256', kek })
    const receipt = (await site.post('/token', '')).headers.get('arctos-receipt') ?? ''
    const before = await kidsOf(site)
    site.clock.pass(2 * day)
    expect(openReceipt(await readReceiptKeys(site.store, kek), receipt)?.reason).toBe('client.missing')
    expect(await kidsOf(site)).toEqual(before)
    site.clock.pass(6 * day)
    expect(openReceipt(await readReceiptKeys(site.store, kek), receipt)).toBeUndefined()
    await site.end()
  })

  it('rotates to a key of the algorithm that signs, unless that is ambiguous', async () => {
    const site = await install({ signingAlgorithm: 'RS256', kek })
    const rotate = (algorithm?: SigningAlgorithm) =>
      rotateSigningKey(
        { store: site.store, kek, random: randomBytes },
        { algorithm, immediately: false, actor: 'test' },
      )
    await rotate()
    const signing = (await site.store.listKeys(undefined)).filter(({ purpose }) => purpose === 'signing')
    expect(signing.map(({ algorithm }) => algorithm)).toEqual(['RS256', 'RS256'])
    expect(await rotate('ES256')).toMatchObject({ outcome: 'added' })
    expect(await rotate()).toEqual({ outcome: 'ambiguous', algorithms: ['RS256', 'ES256'] })
    await site.end()
  })

  it('adds no key that the servers could not open', async () => {
    const site = await install({ kek })
    const before = await kidsOf(site)
    const making = { store: site.store, kek: Buffer.alloc(32, 8), random: randomBytes }
    const rotation = { algorithm: undefined, immediately: false, actor: 'test' }
    await expect(rotateSigningKey(making, rotation)).rejects.toThrow(WrongKeyEncryptionKey)
    expect(await kidsOf(site)).toEqual(before)
    await site.end()
  })
})

describe('a node whose clock is wrong', () => {
  it.each([31, -31])('by %i days changes no keys, and signs with the key of all', async (days) => {
    const site = await install()
    const { keys } = site.server.context
    const ahead = await site.startNode({ now: () => site.clock.now() + days * day * 1_000 })
    const before = await site.store.listKeys(undefined)
    await ahead.context.keys.maintain()
    expect(await site.store.listKeys(undefined)).toEqual(before)
    const next = await keys.rotate({ immediately: false, actor: 'test' })
    await ahead.context.keys.maintain()
    expect(ahead.context.keys.signingKey().kid).toBe(keys.signingKey().kid)
    site.clock.pass(120)
    expect(ahead.context.keys.signingKey().kid).toBe(next)
    await site.end()
  })
})

describe.each(databaseKinds)('two nodes on one %s', (kind) => {
  it('that start at one time on an empty database make one set of keys', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'arctos-keys-'))
    const database =
      kind === 'sqlite' ? { url: join(directory, 'db'), drop: async () => undefined } : await makeDatabase(kind)
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ database: database.url })))
    for (const store of stores) await store.migrate()
    const options = { issuer: 'https://issuer.example', kek: Buffer.alloc(32, 3) }
    const nodes = await Promise.all(stores.map((store) => createAuthorizationServer({ ...options, store })))
    for (const { context } of nodes) await context.keys.maintain()
    expect(new Set(nodes.map(({ context }) => context.keys.jwks().body)).size).toBe(1)
    expect(new Set(nodes.map(({ context }) => context.keys.refreshKey().kid.toString('hex'))).size).toBe(1)
    const purposes = ((await stores[0]?.listKeys(undefined)) ?? []).map(({ purpose }) => purpose)
    expect(purposes.sort()).toEqual(['form', 'receipt', 'refresh', 'signing'])
    const [one, two] = nodes
    const receipt = one?.context.receipts.seal('request.malformed', {}, undefined) ?? ''
    expect(two?.context.receipts.open(receipt)?.reason).toBe('request.malformed')
    for (const store of stores) await store.close()
    await database.drop()
    await rm(directory, { recursive: true })
  })

  it("serve each other's tokens, and learn each other's keys", async () => {
    const site = await install({ database: kind })
    const other = await site.startNode()
    const session = await signIn(site)
    const form = { grant_type: 'refresh_token', refresh_token: session.refresh }
    expect((await askThrough(other)('/token', formRequest(form, basic('service')))).status).toBe(200)
    await other.context.keys.rotate({ immediately: true, actor: 'test' })
    const { access } = tokensOf(
      await askThrough(other)('/token', formRequest({ grant_type: 'client_credentials' }, basic('service'))),
    )
    await site.server.context.keys.maintain()
    expect(await isActive(site, access)).toBe(true)
    await site.end()
  })
})

describe('keys in the database', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'arctos-keys-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  const issuer = 'https://issuer.example'
  const kek = Buffer.from('a key-encryption key for a test.')

  async function startOn(file: string, key = kek) {
    const store = await openStore({ database: file })
    await store.migrate()
    try {
      return { store, server: await createAuthorizationServer({ issuer, store, kek: key }) }
    } catch (error) {
      await store.close()
      throw error
    }
  }

  it('survive a restart', async () => {
    const file = join(directory, 'restart')
    const first = await startOn(file)
    const before = first.server.context.keys.jwks().body
    await first.store.close()
    const second = await startOn(file)
    expect(second.server.context.keys.jwks().body).toBe(before)
    await second.store.close()
  })

  it('do not open with another key-encryption key, and the server does not start', async () => {
    const file = join(directory, 'other-key')
    await (await startOn(file)).store.close()
    await expect(startOn(file, Buffer.alloc(32, 1))).rejects.toThrow(WrongKeyEncryptionKey)
    const again = await startOn(file)
    expect(await again.store.listKeys(undefined)).toHaveLength(4)
    await again.store.close()
  })

  it.each([
    [
      'are swapped',
      `UPDATE keys SET sealed = (SELECT sealed FROM keys AS k WHERE k.purpose = 'form') WHERE purpose = 'refresh'`,
    ],
    ['serve another purpose', `UPDATE keys SET purpose = 'receipt' WHERE purpose = 'form'`],
    ['are altered', `UPDATE keys SET sealed = substr(sealed, 1, 30) || 'AAAA' || substr(sealed, 35)`],
    ['are cut', `UPDATE keys SET sealed = substr(sealed, 1, 20)`],
    ['are empty', `UPDATE keys SET sealed = ''`],
  ])('do not open when they %s', async (_, sql) => {
    const file = join(directory, 'altered')
    await (await startOn(file)).store.close()
    const database = new DatabaseSync(file)
    database.exec(sql)
    database.close()
    await expect(startOn(file)).rejects.toThrow(WrongKeyEncryptionKey)
    await rm(file)
  })

  it("do not sign when the published half is another's", async () => {
    const file = join(directory, 'halves')
    await (await startOn(file)).store.close()
    const other = join(directory, 'other-halves')
    const { store, server } = await startOn(other)
    const [{ kid: _, ...published }] = JSON.parse(server.context.keys.jwks().body).keys
    await store.close()
    const database = new DatabaseSync(file)
    const { id } = database.prepare("SELECT id FROM keys WHERE purpose = 'signing'").get() as { id: string }
    database.prepare('UPDATE keys SET public_jwk = ? WHERE id = ?').run(JSON.stringify({ ...published, kid: id }), id)
    database.close()
    await expect(startOn(file)).rejects.toThrow('its two halves do not match')
  })

  it('lie there sealed: no file holds one in any spelling', async () => {
    const file = join(directory, 'sealed')
    const { store } = await startOn(file)
    const materials = (await store.listKeys(undefined)).map(({ id, purpose, sealed }) => {
      const material = unsealKey(kek, id, purpose, sealed)
      if (purpose !== 'signing') return material
      const { d } = createPrivateKey({ key: material, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
      return Buffer.from(d ?? '', 'base64url')
    })
    expect(materials).toHaveLength(4)
    const names = (await readdir(directory)).filter((name) => name.startsWith('sealed'))
    expect(names.length).toBeGreaterThan(1)
    const disk = Buffer.concat(await Promise.all(names.map((name) => readFile(join(directory, name)))))
    expect(disk.includes('signing')).toBe(true)
    for (const material of materials) {
      expect(material).toHaveLength(32)
      const spellings = (['hex', 'base64', 'base64url'] as const).map((name) => material.toString(name))
      for (const spelling of [material, ...spellings]) expect(disk.includes(spelling)).toBe(false)
    }
    await store.close()
  })
})
