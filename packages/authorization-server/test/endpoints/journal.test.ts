import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJournal, type JournalEvent } from '@arctos/authorization-server'
import { formatOpaqueToken } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import {
  ask,
  assertionForm,
  introspect,
  makeAssertion,
  mintCode,
  ownToken,
  refresh,
  revoke,
  signIn,
  signInOpaque,
  tokensOf,
} from './flows.ts'
import {
  basic,
  type Form,
  type HeaderFields,
  type Installation,
  install,
  type Reply,
  registerClient,
} from './installation.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

describe('the journal', () => {
  const at = Date.parse('2026-01-02T03:04:05.678Z')

  it('writes a line of JSON for each event, those of a turn at once, in order', async () => {
    const written: string[] = []
    const journal = createJournal(
      (lines) => void written.push(lines),
      () => at,
    )
    journal.write({ endpoint: 'token', status: 200 })
    journal.write({ endpoint: 'revoke', status: 401, reason: 'client.missing' })
    await turn()
    journal.write({ endpoint: 'token' })
    await turn()
    const time = '"at":"2026-01-02T03:04:05.678Z"'
    expect(written).toEqual([
      `{${time},"endpoint":"token","status":200}\n{${time},"endpoint":"revoke","status":401,"reason":"client.missing"}\n`,
      `{${time},"endpoint":"token"}\n`,
    ])
  })

  it('has no field for anything else, and no line can be faked', async () => {
    const written: string[] = []
    const journal = createJournal(
      (lines) => void written.push(lines),
      () => at,
    )
    const event = { endpoint: 'x\n{"endpoint":"forged"}\u2028', token: 'a token', claims: { sub: 'ada' }, status: 200 }
    journal.write(event as JournalEvent)
    await turn()
    expect(written.join('').trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(written.join(''))).toEqual({
      at: new Date(at).toISOString(),
      endpoint: event.endpoint,
      status: 200,
    })
  })
})

describe('an event', () => {
  it('of a success says who got what, by names and ids alone', async () => {
    const site = await install()
    const { access } = await signIn(site)
    const { jti, grant_id } = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString())
    expect(site.journal).toEqual([
      {
        endpoint: 'token',
        status: 200,
        client: 'service',
        grantType: 'authorization_code',
        outcome: 'redeemed',
        grant: grant_id,
        subject: site.userId,
        jti,
      },
    ])
    await site.end()
  })

  it('of a refusal says which row, under the receipt that the client was given', async () => {
    const site = await install()
    const refused = await ask(site, { grant_type: 'client_credentials', scope: 'delete' })
    expect(site.journal).toEqual([
      {
        endpoint: 'token',
        status: 400,
        client: 'service',
        grantType: 'client_credentials',
        reason: 'scope.unknown',
        facts: { check: 'scope', expected: 'read write', received: 'delete' },
        receipt: refused.headers.get('arctos-receipt'),
      },
    ])
    await site.end()
  })

  it('names a client only after it has proved itself', async () => {
    const site = await install()
    await site.post('/token', { grant_type: 'client_credentials' }, basic('service', 'wrong'))
    await site.post('/token', { grant_type: 'nothing', client_id: 'app' })
    expect(site.journal.map(({ client }) => client)).toEqual([undefined, undefined])
    await site.end()
  })

  it('is written once for each request, whatever comes of it', async () => {
    const site = await install()
    const { access, refresh: token } = await signIn(site)
    const paths = ['/token', '/introspect', '/revoke', '/receipts']
    const before = site.journal.length
    for (const path of paths) await site.post(path, '')
    await introspect(site, access)
    await revoke(site, access)
    await refresh(site, token)
    await site.send('/nothing')
    await site.send('/token')
    expect(site.journal.slice(before).map(({ endpoint, status }) => `${endpoint} ${status}`)).toEqual([
      'token 401',
      'introspect 401',
      'revoke 401',
      'receipts 401',
      'introspect 200',
      'revoke 200',
      'token 200',
      'router 404',
      'router 405',
    ])
    await site.end()
  })

  it('tells a replayed code, a retry and a theft from each other', async () => {
    const site = await install()
    const { form } = await mintCode(site)
    const first = tokensOf(await ask(site, form))
    const second = tokensOf(await refresh(site, first.refresh))
    await refresh(site, first.refresh)
    await refresh(site, second.refresh)
    await refresh(site, first.refresh)
    await ask(site, form)
    expect(site.journal.map(({ outcome }) => outcome)).toEqual([
      'redeemed',
      'rotated',
      'replayed',
      'rotated',
      'reused',
      'replayed',
    ])
    await site.end()
  })
})

describe('a run with marked secrets', () => {
  it('leaves no mark in the journal, in receipts, in refusals or on the disk [RFC 6749 §10.3(a), RFC 6749 §10.4(a)]', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'arctos-marks-'))
    const lines: string[] = []
    const site = await install({
      url: join(directory, 'db'),
      journal: createJournal((written) => void lines.push(written), Date.now),
    })
    const marks = new Set<string>()
    const refusals = await useSecrets(site, marks)
    await turn()
    await site.store.numberAudit(1_000)
    const disk = await Promise.all((await readdir(directory)).map((name) => readFile(join(directory, name))))

    expect(marks.size).toBeGreaterThan(12)
    expect(refusals.length).toBeGreaterThan(60)
    expect(lines.length).toBeGreaterThan(60)
    const journal = lines.join('')
    const receipts = refusals.map(({ headers }) =>
      site.server.context.receipts.open(headers.get('arctos-receipt') ?? ''),
    )
    const answers = refusals.map(({ headers, text }) => text + JSON.stringify([...headers]))
    // What says too much is often cut: sixteen characters of a secret are as bad as all.
    for (const mark of marks) {
      for (const [at, piece] of [...(mark.match(/.{16}/g) ?? [])].slice(1).entries()) {
        const where = { mark: mark.slice(0, 20), at }
        expect({ ...where, journal: journal.includes(piece) }).toEqual({ ...where, journal: false })
        expect({ ...where, receipts: JSON.stringify(receipts).includes(piece) }).toEqual({ ...where, receipts: false })
        expect({ ...where, answers: answers.some((answer) => answer.includes(piece)) }).toEqual({
          ...where,
          answers: false,
        })
        expect({ ...where, disk: disk.some((file) => file.includes(piece)) }).toEqual({ ...where, disk: false })
      }
    }
    await site.end()
    await rm(directory, { recursive: true })
  })
})

/** Uses secrets rightly and in every wrong place; returns what was refused. */
async function useSecrets(site: Installation, marks: Set<string>): Promise<readonly Reply[]> {
  const mark = (text: string): string => {
    marks.add(text)
    return text
  }
  const secret = mark(formatOpaqueToken('clientSecret', randomBytes(32)).reveal())
  const guess = mark(formatOpaqueToken('clientSecret', randomBytes(32)).reveal())
  await registerClient(site.store, 'marked', {}, secret)
  const { form, code, verifier } = await mintCode(site, { clientId: 'marked' })
  const own = basic('marked', secret)
  const session = tokensOf(await site.post('/token', form, own))
  const opaque = await signInOpaque(site)
  const jwt = tokensOf(await ownToken(site)).access
  const assertion = await makeAssertion(site)
  for (const text of [code, verifier, session.access, session.refresh, opaque.access, opaque.refresh, jwt, assertion])
    mark(text)
  mark(own.authorization.slice(6))
  const rotated = await site.post('/token', { grant_type: 'refresh_token', refresh_token: session.refresh }, own)
  mark(tokensOf(rotated).refresh)
  mark(tokensOf(rotated).access)
  await site.post('/token', { grant_type: 'client_credentials', ...assertionForm(assertion) })
  await introspect(site, opaque.access, 'archive-api')

  const names = [
    'client_id',
    'grant_type',
    'scope',
    'resource',
    'redirect_uri',
    'code_verifier',
    'receipt',
    'client_assertion',
  ]
  const refusals: Reply[] = []
  const send = async (path: string, fields: Form | string, headers?: HeaderFields): Promise<void> => {
    const reply = await site.post(path, fields, headers)
    if (reply.status >= 400) refusals.push(reply)
  }
  for (const text of [...marks]) {
    for (const path of ['/token', '/introspect', '/revoke', '/receipts']) {
      // Mixed up, repeated, unencoded, in the wrong method, in the path.
      await send(path, { client_id: text, client_secret: 'marked' })
      await send(path, { ...assertionForm(text), client_id: text })
      await send(path, `${text}=1&${text}=2`)
      await send(path, JSON.stringify({ token: text }), { 'content-type': `application/json; ${text.slice(0, 60)}` })
      await send(path, text, { authorization: `Bearer ${text}` })
      await send(path, '', basic(text, 'marked'))
    }
    for (const name of names) await send('/token', { grant_type: 'authorization_code', code, [name]: text }, own)
    for (const grant of ['client_credentials', 'refresh_token', text])
      await send(
        '/token',
        { grant_type: grant, refresh_token: text, scope: text, resource: `https://x.example/${text}` },
        own,
      )
    await send('/token', { grant_type: 'client_credentials', scope: `read ${text.replaceAll('.', '')}` }, own)
    await send(`/${text}?token=${text}`, { token: text })
  }
  await send('/token', { grant_type: 'client_credentials' }, basic('marked', guess))
  return refusals
}
