import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { formatOpaqueToken, parseOpaqueToken, sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSharedSecret } from '../../src/keys/key-maintenance.ts'
import { makeKeySecret } from '../../src/tokens/api-key.ts'
import { drawUserCode, hashUserCode } from '../../src/user-code.ts'
import { startDevice } from './devices.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, issueCode, register, rotate, rotationOf, startFamily } from './principals.ts'

describe.each(engines)('what %s keeps', (engine) => {
  let test: TestStore
  /** Secrets that were in use, by what they were. */
  const secrets: Record<string, string | Buffer> = {}

  beforeAll(async () => {
    test = await openTestStore(engine)
    const principals = await register(test)
    const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
    const clientSecret = formatOpaqueToken('clientSecret', randomBytes(32)).reveal()
    const sessionToken = formatOpaqueToken('session', randomBytes(32)).reveal()
    const assertionId = randomUUID()
    const deviceCode = formatOpaqueToken('deviceCode', randomBytes(32)).reveal()
    const userCode = drawUserCode(randomBytes)
    await test.store.createClient({
      settings: clientSettings,
      secretHash: sha256Base64url(clientSecret),
      actor: 'test',
    })
    await startDevice(test, principals, {
      deviceCodeHash: sha256Base64url(deviceCode),
      userCodeHash: hashUserCode(createSecretKey(randomBytes(32)), userCode),
    })
    const hash = sha256Base64url(sessionToken)
    await test.store.openSession({ hash, userId: principals.userId, lifetimeSeconds: 60, formerHash: undefined })
    const unused = { codeHash: sha256Base64url(code), resourceKeys: [principals.opaqueKey] }
    const redeemed = await test.store.redeemCode(await issueCode(test, principals, unused))
    if (redeemed.outcome !== 'redeemed' || redeemed.access.form.format !== 'opaque') throw new Error('no opaque token')
    const family = await startFamily(test, principals)
    const assertion = { kind: 'assertion', owner: principals.clientId, id: assertionId, expiresAt: 4e9 } as const
    const first = family.presented
    const second = await rotate(test, family, first, { assertion })
    const third = await rotate(test, family, second)
    await test.store.rotateRefresh(rotationOf(family, second))
    const making = { store: test.store, kek: randomBytes(32), random: randomBytes }
    const shared = await makeSharedSecret(making, 'https://vault.example')
    await test.store.addKey({ key: shared.key, onlyIfOlderThanSeconds: undefined, actor: 'test' })
    const sharedSecret = shared.secret.reveal()
    const apiKey = makeKeySecret('apiKey', randomBytes, 'live')
    const rotated = makeKeySecret('apiKey', randomBytes, 'live')
    const lifetimeSeconds = 600
    const made = await test.store.createApiKey({
      owner: { kind: 'client', clientId: principals.clientId },
      name: 'a key',
      resourceKey: principals.jwtKey,
      scopes: ['read'],
      secretHash: apiKey.hash,
      lifetimeSeconds,
      actor: 'test',
    })
    if (made.outcome !== 'created') throw new Error('no key')
    await test.store.rotateApiKey({ keyId: made.id, secretHash: rotated.hash, lifetimeSeconds, actor: 'test' })
    await test.store.recordSecretUses([{ hash: apiKey.hash, usedAt: 1 }])
    Object.assign(secrets, {
      code,
      sharedSecret,
      'bytes of the shared secret': parseOpaqueToken('sharedSecret', sharedSecret, 32),
      clientSecret,
      apiKey: apiKey.secret.reveal(),
      'second secret of the key': rotated.secret.reveal(),
      deviceCode,
      userCode,
      'user code by a plain hash': sha256Base64url(userCode),
      sessionToken,
      assertionId,
      accessToken: redeemed.access.form.token.reveal(),
      'refresh secret 0': first.secret,
      'refresh secret 1': second.secret,
      'refresh secret 2': third.secret,
    })
  })
  afterAll(() => test.close())

  /** All that is on disk, or, where the disk is a server's, all that it tells. */
  const readEverything = async (): Promise<Buffer> => {
    if (engine === 'sqlite') {
      const folder = dirname(test.address)
      const files = (await readdir(folder)).filter((name) => name.startsWith(basename(test.address)))
      return Buffer.concat(await Promise.all(files.map((name) => readFile(join(folder, name)))))
    }
    const tables = await test.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    const rows = await Promise.all(tables.map(({ tablename }) => test.query(`SELECT * FROM ${tablename}`)))
    return Buffer.from(JSON.stringify(rows))
  }

  it('has what it should have, so that the search can find something', async () => {
    const everything = await readEverything()
    expect(everything.includes(sha256Base64url(secrets['code'] as string))).toBe(true)
  })

  it('is no secret in clear, in no usual spelling [RFC 6749 §10.3(a), RFC 6749 §10.4(a)]', async () => {
    const everything = await readEverything()
    const found = Object.entries(secrets).filter(([, secret]) =>
      spellings(secret).some((text) => everything.includes(text)),
    )
    expect(found.map(([name]) => name)).toEqual([])
  })
})

function spellings(secret: string | Buffer): readonly (string | Buffer)[] {
  // The bytes of a token stand between its prefix and its checksum.
  if (typeof secret === 'string')
    return secret.startsWith('arctos_') ? [secret, secret.slice(secret.lastIndexOf('_') + 1, -6)] : [secret]
  return [secret, secret.toString('hex'), secret.toString('base64url'), secret.toString('base64').replace(/=+$/, '')]
}
