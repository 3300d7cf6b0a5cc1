import { Buffer } from 'node:buffer'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { revoke, tokensOf } from './flows.ts'
import {
  askThrough,
  basic,
  formRequest,
  type HeaderFields,
  type Installation,
  install,
  notes,
  type Reply,
  secret,
} from './installation.ts'
import { serve } from './raw-http.ts'

const endpoints = ['/token', '/introspect', '/revoke', '/receipts'] as const
type Endpoint = (typeof endpoints)[number]

/** A request that is good at each endpoint, without client authentication. */
const good: Readonly<Record<Endpoint, string>> = {
  '/token': 'grant_type=client_credentials',
  '/introspect': 'token=unknown',
  '/revoke': 'token=unknown',
  '/receipts': 'receipt=unknown',
}

describe.each(['by itself', 'on a socket'])('a server %s', (transport) => {
  const isSocket = transport === 'on a socket'
  let site: Installation
  let send: Installation['send']
  let close = async (): Promise<void> => undefined
  beforeAll(async () => {
    site = await install()
    // From many addresses, or the limit of one would answer instead of what is tried here.
    let requests = 0
    const address = (): string => `192.0.2.${requests++ % 250}`
    send = askThrough(site.server, address)
    if (!isSocket) return
    const served = await serve(site, { trustedProxies: ['127.0.0.1'] })
    send = (path, init) =>
      served.send(path, { ...init, headers: { ...(init?.headers as HeaderFields), 'x-forwarded-for': address() } })
    close = () => served.listening.close(0)
  })
  afterAll(async () => {
    await close()
    await site.end()
  })

  const post = (path: Endpoint, body: string | Uint8Array, headers: HeaderFields = {}): Promise<Reply> =>
    send(path, formRequest(body, { ...basic('service'), ...headers }))

  /** Whatever was wrong, this holds for the answer. RFC 6749 §5.2 */
  function expectSafe(reply: Reply): void {
    const { status, headers, body } = reply
    expect(status).toBeLessThan(500)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('pragma')).toBe('no-cache')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-type')).toBe('application/json')
    expect([headers.get('server'), headers.get('x-powered-by'), headers.get('set-cookie')]).toEqual([null, null, null])
    const receipt = headers.get('arctos-receipt')
    expect(receipt).toMatch(/^[\w-]{100,}$/)
    expect(Object.keys(body)).toEqual(['error', 'error_description', 'error_uri'])
    expect(body['error']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(body['error_description']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(body['error_uri']).toBe(`${site.issuer}/receipts/${receipt}`)
  }

  async function expectRefused(answer: Promise<Reply>, reason: string | undefined): Promise<void> {
    const reply = await answer
    expect(reply.reason).toBe(reason)
    expectSafe(reply)
  }

  describe.each(endpoints)('%s', (path) => {
    const body = good[path]

    it('takes its good request, or the cases below show nothing', async () => {
      const { status, reason } = await post(path, body)
      expect([status, reason]).toEqual(path === '/receipts' ? [404, 'page.not_found'] : [200, undefined])
    })

    it.each([
      ['nothing', ''],
      ['only separators', '&&&'],
      ['an empty value', body.replace(/=.*/, '=')],
      ['a name without a value', body.replace(/=.*/, '')],
      ['a name in capitals', body.toUpperCase()],
      ['an empty name', `=${body.replace(/.*=/, '')}`],
    ])('misses its parameter in %s [RFC 6749 §3.2(e), RFC 7009 §2.1(b), RFC 7662 §2.1(b)]', async (_, bad) => {
      await expectRefused(post(path, bad), 'request.missing_parameter')
    })

    it.each([
      ['a bad escape', '%zz'],
      ['a lone percent sign', '%'],
      ['a cut escape', '%4'],
      ['a byte that is no UTF-8', '%ff'],
      ['an overlong form', '%c0%ae'],
      ['an escaped lone surrogate', '%ed%a0%80'],
      ['an escaped NUL', '%00'],
      ['an escaped backspace', '%08'],
      ['an escaped DEL', '%7f'],
      ['an escaped C1 control', '%c2%85'],
      ['a raw newline', 'a\nb'],
      ['raw UTF-8', 'ü'],
    ])(
      'refuses %s in a value and in a name [RFC 6749 §5.2(c)(d)(e), RFC 6749 §10.14(a), RFC 6749 §B]',
      async (_, bad) => {
        await expectRefused(post(path, `${body}&extra=${bad}`), 'request.malformed')
        await expectRefused(post(path, `${body}&${bad}=extra`), 'request.malformed')
      },
    )

    it('refuses raw bytes that are no text [RFC 6749 §B]', async () => {
      const raw = Buffer.concat([Buffer.from(`${body}&extra=`), Buffer.from([0xff, 0xfe, 0x00])])
      await expectRefused(post(path, raw), 'request.malformed')
    })

    it('takes text beyond ASCII, escaped as UTF-8 [RFC 6749 §B]', async () => {
      const { status } = await post(path, `${body}&extra=%C3%BC+%F0%9F%90%BB%0D%0A%09`)
      expect(status).toBe(path === '/receipts' ? 404 : 200)
    })

    it.each(['same', 'other'])('refuses a parameter twice, with the %s value [RFC 6749 §3.2(g)]', async (value) => {
      const twice = value === 'same' ? `${body}&${body}` : `${body}&${body}x`
      await expectRefused(post(path, twice), 'request.duplicate_parameter')
      await expectRefused(post(path, `${body}&unknown=1&unknown=1`), 'request.duplicate_parameter')
      await expectRefused(post(path, `${body}&unknown=&unknown=1`), 'request.duplicate_parameter')
      await expectRefused(post(path, `${body}&%75nknown=1&unknown=1`), 'request.duplicate_parameter')
    })

    it.each([
      ['JSON', '{"grant_type":"client_credentials","token":"x"}', 'application/json'],
      ['XML', '<token/>', 'application/xml'],
      ['plain text', body, 'text/plain'],
      ['a multipart form', '--x\r\n\r\n--x--', 'multipart/form-data; boundary=x'],
      ['two types', body, 'application/x-www-form-urlencoded, application/json'],
      ['a type like it', body, 'application/x-www-form-urlencoded2'],
      ['no type', body, ''],
    ])('refuses %s [RFC 6749 §10.14(a)]', async (_, bad, type) => {
      await expectRefused(post(path, bad, { 'content-type': type }), 'request.content_type')
    })

    it('takes its type with parameters and in any case', async () => {
      for (const type of ['Application/X-WWW-Form-UrlEncoded', 'application/x-www-form-urlencoded; charset=UTF-8'])
        expect((await post(path, body, { 'content-type': type })).reason).not.toBe('request.content_type')
    })

    it('inflates nothing', async () => {
      const bomb = gzipSync(Buffer.alloc(5_000_000, '&'))
      for (const encoding of ['gzip', 'deflate', 'br', 'GZIP', 'identity, gzip'])
        await expectRefused(post(path, bomb, { 'content-encoding': encoding }), 'request.content_type')
    })

    it('takes 64 KiB and refuses one byte more, announced or not [RFC 7009 §5(a)]', async () => {
      const filled = (bytes: number): string => `${body}&extra=`.padEnd(bytes, 'x')
      const announce = (bytes: number): HeaderFields => ({ 'content-length': String(bytes) })
      const inChunks: HeaderFields = isSocket ? { 'transfer-encoding': 'chunked' } : {}
      for (const [bytes, reason] of [
        [65_536, path === '/receipts' ? 'page.not_found' : undefined],
        [65_537, 'request.too_large'],
        [5_000_000, 'request.too_large'],
      ] as const) {
        expect([bytes, (await post(path, filled(bytes), inChunks)).reason]).toEqual([bytes, reason])
        expect([bytes, (await post(path, filled(bytes), announce(bytes))).reason]).toEqual([bytes, reason])
      }
      const { status, body: error } = await post(path, filled(65_537))
      expect([status, error['error']]).toEqual([413, 'invalid_request'])
    })

    // On a socket, Node's parser holds the sender to the announced length: what is beyond it is another request.
    if (!isSocket) {
      it('is not fooled by an announced length that is too small', async () => {
        const long = `${body}&extra=`.padEnd(70_000, 'x')
        await expectRefused(post(path, long, { 'content-length': '10' }), 'request.too_large')
      })
    }

    it('takes 100 parameters and refuses one more, and 100,000', async () => {
      const many = (count: number): string =>
        `${body}${Array.from({ length: count - 1 }, (_, at) => `&p${at}=`).join('')}`
      expect((await post(path, many(100))).reason).toBe(path === '/receipts' ? 'page.not_found' : undefined)
      await expectRefused(post(path, many(101)), 'request.too_large')
      await expectRefused(post(path, '&'.repeat(60_000)), 'request.too_large')
      await expectRefused(post(path, many(100_000)), 'request.too_large')
    })

    it('ignores parameters that it does not know, also those named after what every object has [RFC 6749 §3.2(f)]', async () => {
      const names = [
        '__proto__',
        'constructor[prototype]',
        'constructor',
        'a[$ne]',
        'a[]',
        'toString',
        'hasOwnProperty',
      ]
      const { status } = await post(
        path,
        `${body}&${names.map((name) => `${encodeURIComponent(name)}=polluted`).join('&')}`,
      )
      expect(status).toBe(path === '/receipts' ? 404 : 200)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      expect((await post(path, body)).status).toBe(status)
    })

    it('never shows in an answer what it was sent', async () => {
      const marks = [
        '<script>sentinel</script>',
        'sentinel\r\nset-cookie: a=b',
        '{{sentinel}}',
        'sentinel\u2028',
        '"sentinel',
        '\\sentinel',
      ]
      const names = ['grant_type', 'scope', 'resource', 'client_id', 'redirect_uri', 'code', 'refresh_token', 'token']
      for (const mark of marks) {
        for (const name of [...names, 'receipt', 'token_type_hint', encodeURIComponent(mark)]) {
          const reply = await post(path, `${name}=${encodeURIComponent(mark)}&${name}=${encodeURIComponent(mark)}`)
          expect(`${JSON.stringify([...reply.headers])}${reply.text}`).not.toContain('sentinel')
        }
      }
    })

    it.each([
      ['a member of every object', '__proto__'],
      ['a path', '../../etc/passwd'],
      ['SQL', "' OR 1=1 --"],
      ['a percent sign', '%'],
      ['9,000 letters', 'x'.repeat(9_000)],
      ['a bear', '🐻'],
      ['a space', ' '],
    ])('knows no client that is called %s', async (_, clientId) => {
      const form = `${body}&client_id=${encodeURIComponent(clientId)}&client_secret=${secret}`
      await expectRefused(send(path, formRequest(form)), 'client.unknown')
      await expectRefused(send(path, formRequest(body, basic(clientId))), 'client.unknown')
    })

    it.each(['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH'])('answers %s with 405 and what is allowed', async (method) => {
      const reply = await send(path, { method })
      expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'POST'])
      expect(reply.reason).toBe('request.method')
    })

    it('lets scripts of any origin ask, without cookies [RFC 10017 §6.3.3.4]', async () => {
      const preflight = await send(path, { method: 'OPTIONS', headers: { origin: 'https://spa.example' } })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
      expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
      expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
      for (const reply of [await post(path, body), await post(path, '')]) {
        expect(reply.headers.get('access-control-allow-origin')).toBe('*')
        expect(reply.headers.get('access-control-allow-credentials')).toBeNull()
        expect(reply.headers.get('access-control-expose-headers')).toContain('arctos-receipt')
      }
    })

    it.each([
      `${path}/`,
      `/${path}`,
      `/.${path}`,
      `/x/..${path}`,
      `/%2e${path}`,
      `${path.slice(0, 2)}%${path.charCodeAt(2).toString(16)}${path.slice(3)}`,
      `${path};x=1`,
      path.toUpperCase(),
      `${path}.json`,
      `${path}%00`,
      `${path}%20`,
      `${path}#x`,
    ])('has one spelling, and %s is nothing', async (spelling) => {
      const reply = await post(spelling as Endpoint, body)
      expect([reply.status, reply.reason]).toEqual([404, 'page.not_found'])
    })

    it('takes what comes behind a question mark for nothing at all [RFC 6749 §2.3.1(d)]', async () => {
      expect((await post(`${path}?x=1&${body}` as Endpoint, body)).status).toBe((await post(path, body)).status)
      expect((await post(`${path}?${body}` as Endpoint, '')).reason).toBe('request.missing_parameter')
    })
  })

  describe('the parameters of a token request', () => {
    const ask = (form: string): Promise<Reply> => post('/token', form)

    it.each(['', 'password', 'implicit', '__proto__', 'Client_Credentials', 'client_credentials ', 'urn:x'])(
      'name a grant type that is on offer: %j is not [RFC 6749 §5.2(a), RFC 10017 §7.3]',
      async (name) => {
        const reply = await ask(`grant_type=${encodeURIComponent(name)}`)
        expect(reply.reason).toBe(name === '' ? 'request.missing_parameter' : 'grant_type.unsupported')
        expect(reply.body['error']).toBe(name === '' ? 'invalid_request' : 'unsupported_grant_type')
        expectSafe(reply)
      },
    )

    it.each([
      ['a quote', 'read "'],
      ['a backslash', 'read\\'],
      ['two spaces', 'read  write'],
      ['a space in front', ' read'],
      ['a tab', 'read\twrite'],
      ['a letter beyond ASCII', 'lés'],
      ['a word of 5 KB', 'x'.repeat(5_000)],
      ['101 words', Array.from({ length: 101 }, (_, at) => `s${at}`).join(' ')],
      ['20,000 words', 'a '.repeat(20_000).trim()],
    ])('spell a scope by its grammar, without %s [RFC 6749 §3.3(d), RFC 6749 §5.2(a)]', async (_, scope) => {
      const reply = await ask(`${good['/token']}&scope=${encodeURIComponent(scope).replaceAll('%20', '+')}`)
      expect([reply.status, reply.body['error'], reply.reason]).toEqual([400, 'invalid_scope', 'scope.malformed'])
      expectSafe(reply)
    })

    it.each([
      'notes',
      '/notes',
      'notes.example',
      `${notes}#part`,
      `${notes}?q=1`,
      'https://user@notes.example',
      'https:notes.example',
      'urn:notes',
      '*',
      'https://',
      `${notes}/${'x'.repeat(500)}`,
    ])('name a resource by an absolute URI: %s is none [RFC 8707 §2]', async (resource) => {
      const reply = await ask(`${good['/token']}&resource=${encodeURIComponent(resource)}`)
      expect([reply.status, reply.body['error'], reply.reason]).toEqual([400, 'invalid_target', 'resource.malformed'])
      expectSafe(reply)
    })

    it('name ten resources at the most [RFC 6749 §10.14(a)]', async () => {
      const named = (count: number): string =>
        Array.from({ length: count }, (_, at) => `&resource=https://r${at}.example`).join('')
      expect((await ask(good['/token'] + named(10))).reason).toBe('resource.unknown')
      expect((await ask(good['/token'] + named(11))).reason).toBe('resource.malformed')
    })
  })

  it('goes on giving and taking tokens after all of this', async () => {
    const { access } = tokensOf(await post('/token', good['/token']))
    expect((await revoke(site, access)).status).toBe(200)
  })
})
