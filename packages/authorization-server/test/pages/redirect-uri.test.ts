import { describe, expect, it } from 'vitest'
import { openBrowser } from './browser.ts'
import { appSettings, createClient, requestQuery, startSite } from './site.ts'

const web = 'https://app.example/callback'
const nested = 'https://app.example/a/b?x=1'
const loopback = 'http://127.0.0.1:8765/callback'
const loopback6 = 'http://[::1]:8765/callback'
const localhost = 'http://localhost:8765/callback'
const native = 'com.example.app:/callback'

const site = await startSite()
await createClient(
  site.store,
  'many',
  appSettings({ redirectUris: [web, nested, loopback, loopback6, localhost, native] }),
)
await createClient(site.store, 'portless', appSettings({ redirectUris: ['http://127.0.0.1/callback'] }))

const taken: readonly (readonly [string, string])[] = [
  ['the registered one', web],
  ['a registered one with a query', nested],
  ['a private-use scheme', native],
  ['loopback, the registered port', loopback],
  ['loopback, another port', 'http://127.0.0.1:49152/callback'],
  ['loopback, port 1', 'http://127.0.0.1:1/callback'],
  ['loopback, port 80', 'http://127.0.0.1:80/callback'],
  ['loopback, port 65535', 'http://127.0.0.1:65535/callback'],
  ['IPv6 loopback, another port', 'http://[::1]:50000/callback'],
  ['localhost, another port', 'http://localhost:50000/callback'],
]

const refused: readonly (readonly [string, string])[] = [
  ['a trailing slash', `${web}/`],
  ['no path', 'https://app.example'],
  ['a longer path', `${web}/more`],
  ['a shorter path', 'https://app.example/'],
  ['another path', 'https://app.example/other'],
  ['a dot segment', 'https://app.example/x/../callback'],
  ['an encoded dot segment', 'https://app.example/x/%2e%2e/callback'],
  ['dots with a path parameter', 'https://app.example/..;/callback'],
  ['a double slash', 'https://app.example//callback'],
  ['an encoded letter', 'https://app.example/c%61llback'],
  ['an upper-case path', 'https://app.example/Callback'],
  ['an upper-case host', 'https://APP.example/callback'],
  ['an upper-case scheme', 'HTTPS://app.example/callback'],
  ['http instead of https', 'http://app.example/callback'],
  ['the default port', 'https://app.example:443/callback'],
  ['another port', 'https://app.example:8443/callback'],
  ['an empty port', 'https://app.example:/callback'],
  ['a user name', 'https://user@app.example/callback'],
  ['the host as a user name', 'https://app.example@evil.example/callback'],
  ['two user names', 'https://app.example@x@evil.example/callback'],
  ['a backslash before the evil host', 'https://app.example\\@evil.example/callback'],
  ['a backslash in the path', 'https://app.example\\callback'],
  ['a subdomain', 'https://a.app.example/callback'],
  ['a longer host', 'https://app.example.evil.example/callback'],
  ['a host with that ending', 'https://evilapp.example/callback'],
  ['a trailing dot in the host', 'https://app.example./callback'],
  ['a fragment', `${web}#x`],
  ['an empty fragment', `${web}#`],
  ['an added query', `${web}?x=1`],
  ['an empty query', `${web}?`],
  ['the query in another order', 'https://app.example/a/b?y=2&x=1'],
  ['another value in the query', 'https://app.example/a/b?x=2'],
  ['more in the query', `${nested}&y=2`],
  ['no query', 'https://app.example/a/b'],
  ['a space at the end', `${web} `],
  ['a space at the start', ` ${web}`],
  ['a tab inside', 'https://app.example/call\tback'],
  ['a line end', `${web}\r\nSet-Cookie: a=b`],
  ['a NUL character', `${web}\u0000`],
  ['a character that looks like another', 'https://\u0430pp.example/callback'],
  ['a full-width character', 'https://app.example/\uff43allback'],
  ['javascript:', 'javascript:alert(1)//callback'],
  ['JavaScript: in mixed case', 'JaVaScRiPt:alert(1)'],
  ['data:', 'data:text/html,x'],
  ['no scheme', '//app.example/callback'],
  ['a path', '/callback'],
  ['a wildcard', 'https://*.example/callback'],
  ['two of them', `${web} ${nested}`],
  ['loopback with another path', 'http://127.0.0.1:8765/other'],
  ['loopback without a port', 'http://127.0.0.1/callback'],
  ['loopback with port 0', 'http://127.0.0.1:0/callback'],
  ['loopback with port 65536', 'http://127.0.0.1:65536/callback'],
  ['loopback with a leading zero', 'http://127.0.0.1:08765/callback'],
  ['loopback with a port that goes on', 'http://127.0.0.1:8765@evil.example/callback'],
  ['loopback over https', 'https://127.0.0.1:8765/callback'],
  ['another loopback address', 'http://127.0.0.2:8765/callback'],
  ['loopback in decimal', 'http://2130706433:8765/callback'],
  ['loopback, short', 'http://127.1:8765/callback'],
  ['loopback with an added query', `${loopback}?x=1`],
  ['any address', 'http://0.0.0.0:8765/callback'],
  ['IPv6 loopback, long', 'http://[0:0:0:0:0:0:0:1]:8765/callback'],
  ['localhost with a dot', 'http://localhost.:8765/callback'],
  ['a host that begins with localhost', 'http://localhost.evil.example:8765/callback'],
  ['a private-use scheme with another path', 'com.example.app:/other'],
]

describe('redirect_uri', () => {
  it.each(taken)('is taken: %s [RFC 6749 §3.1.2.3(a)]', async (_, uri) => {
    const answer = await openBrowser(site).get(
      `/authorize?${requestQuery({ client_id: 'many', redirect_uri: uri, prompt: 'none' })}`,
    )
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toMatch(
      new RegExp(`^${uri.replace(/[[\]?.]/g, '\\$&')}[?&]error=login_required&`),
    )
  })

  it.each(refused)(
    'is refused on a page, and nobody is sent away: %s [RFC 6749 §3.1.2.3(b), RFC 6749 §3.1.2.4(a)]',
    async (_, uri) => {
      const answer = await openBrowser(site).get(`/authorize?${requestQuery({ client_id: 'many', redirect_uri: uri })}`)
      expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({
        status: 400,
        location: null,
      })
    },
  )

  it('takes any port of a loopback address that was registered without one [RFC 6749 §3.1.2.3(a)]', async () => {
    const query = requestQuery({
      client_id: 'portless',
      redirect_uri: 'http://127.0.0.1:49152/callback',
      prompt: 'none',
    })
    const answer = await openBrowser(site).get(`/authorize?${query}`)
    expect(answer.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1:49152\/callback\?error=login_required/)
  })

  it('may be left out when one is registered [RFC 6749 §3.1.2.3(c)]', async () => {
    const answer = await openBrowser(site).get(
      `/authorize?${requestQuery({ redirect_uri: undefined, prompt: 'none' })}`,
    )
    expect(answer.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1:8765\/callback\?error=login_required/)
  })

  it('is needed when several are registered [RFC 6749 §3.1.2.3(c)]', async () => {
    const answer = await openBrowser(site).get(
      `/authorize?${requestQuery({ client_id: 'several', redirect_uri: undefined })}`,
    )
    expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({ status: 400, location: null })
  })

  it.each([undefined, 'https://app.example/callback'])(
    'of a client that registered none is refused, whatever it sends: %s [RFC 6749 §3.1.2.2(a)]',
    async (uri) => {
      await createClient(site.store, `none ${uri}`, appSettings({ redirectUris: [] }))
      const query = requestQuery({ client_id: `none ${uri}`, redirect_uri: uri })
      const answer = await openBrowser(site).get(`/authorize?${query}`)
      expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({
        status: 400,
        location: null,
      })
    },
  )

  it('keeps its own query in the answer [RFC 6749 §3.1.2(b)]', async () => {
    const answer = await openBrowser(site).get(
      `/authorize?${requestQuery({ client_id: 'many', redirect_uri: nested, prompt: 'none' })}`,
    )
    expect(answer.headers.get('location')).toMatch(/^https:\/\/app\.example\/a\/b\?x=1&error=login_required&/)
  })
})

describe('registration of a redirect URI', () => {
  const register = (uri: string) => createClient(site.store, `for ${uri}`, appSettings({ redirectUris: [uri] }))

  it.each([
    ['a path', '/callback'],
    ['no scheme', 'app.example/callback'],
    ['a scheme alone', 'https://'],
    ['http off loopback', 'http://app.example/callback'],
    ['javascript:', 'javascript:alert(1)'],
    ['data:', 'data:text/html,x'],
    ['a scheme that is no domain', 'myapp:/callback'],
    ['a user name', 'https://user@app.example/callback'],
    ['a backslash', 'https:\\\\app.example/callback'],
    ['a space', 'https://app.example/a b'],
    ['a line end', 'https://app.example/\n'],
    ['a character outside ASCII', 'https://äpp.example/callback'],
    ['a wildcard host', 'https://*.app.example/callback'],
    ['more than 2,000 characters', `https://app.example/${'a'.repeat(2_000)}`],
  ])('refuses %s [RFC 6749 §3.1.2(a)]', async (_, uri) => {
    await expect(register(uri)).rejects.toThrow()
  })

  it.each(['https://app.example/callback#x', 'https://app.example/callback#', 'com.example.app:/callback#x'])(
    'refuses a fragment: %s [RFC 6749 §3.1.2(c)]',
    async (uri) => {
      await expect(register(uri)).rejects.toThrow()
    },
  )

  it.each([
    'https://app.example',
    'https://app.example:8443/a?b=c',
    'http://[::1]/callback',
    'com.example.app:/callback',
  ])('takes %s [RFC 6749 §3.1.2(a)]', async (uri) => {
    await expect(register(uri)).resolves.toBeUndefined()
  })
})
