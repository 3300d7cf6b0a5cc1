import { describe, expect, it } from 'vitest'
import { isResourceIdentifier, resourceKey } from '../src/index.ts'

describe('isResourceIdentifier', () => {
  it.each([
    'https://api.example.com',
    'https://api.example.com/',
    'https://api.example.com/v1/notes',
    'https://api.example.com:8443/a%20b/~x@y;z=1,2',
    'http://localhost:4001',
    'http://127.0.0.1:4001',
    'http://[::1]:4001/',
    'HTTPS://API.EXAMPLE.COM',
  ])('takes %s [RFC 8707 §2]', (text) => {
    expect(isResourceIdentifier(text)).toBe(true)
  })

  it.each([
    ['nothing', ''],
    ['a path', '/notes'],
    ['a host alone', 'api.example.com'],
    ['a relative reference with a host', '//api.example.com'],
    ['a fragment', 'https://api.example.com#a'],
    ['an empty fragment', 'https://api.example.com/#'],
    ['a query', 'https://api.example.com/?a=b'],
    ['an empty query', 'https://api.example.com/?'],
    ['user information', 'https://user@api.example.com/'],
    ['a password', 'https://user:secret@api.example.com/'],
    ['empty user information', 'https://@api.example.com/'],
    ['another scheme', 'urn:example:api'],
    ['a mail address', 'mailto:api@example.com'],
    ['a script', 'javascript:alert(1)'],
    ['no slashes', 'https:api.example.com'],
    ['one slash', 'https:/api.example.com'],
    ['three slashes', 'https:///api.example.com'],
    ['backslashes', 'https:\\\\api.example.com'],
    ['a backslash in the path', 'https://api.example.com\\notes'],
    ['no host', 'https://'],
    ['a port that is none', 'https://api.example.com:99999'],
    ['a space in front', ' https://api.example.com'],
    ['a newline at the end', 'https://api.example.com\n'],
    ['a tab inside', 'https://api.exa\tmple.com'],
    ['a space inside', 'https://api.example.com/a b'],
    ['quotes', 'https://api.example.com/"a"'],
    ['angle brackets', 'https://api.example.com/<a>'],
    ['letters beyond ASCII', 'https://äpi.example.com'],
    ['a control character', 'https://api.example.com/\0'],
  ])('refuses %s [RFC 8707 §2, RFC 9728 §1.2]', (_name, text) => {
    expect(isResourceIdentifier(text)).toBe(false)
  })

  it('takes 500 characters and refuses 501', () => {
    const start = 'https://api.example.com/'
    expect(isResourceIdentifier(start.padEnd(500, 'a'))).toBe(true)
    expect(isResourceIdentifier(start.padEnd(501, 'a'))).toBe(false)
  })
})

describe('resourceKey', () => {
  it.each([
    ['https://api.example.com/', 'https://api.example.com'],
    ['http://localhost:4001/', 'http://localhost:4001'],
    ['http://[::1]:4001/', 'http://[::1]:4001'],
  ])('makes %s and %s one', (left, right) => {
    expect(resourceKey(left)).toBe(resourceKey(right))
  })

  it.each([
    ['https://api.example.com/notes', 'https://api.example.com/notes/'],
    ['https://api.example.com', 'http://api.example.com'],
    ['https://api.example.com', 'https://API.example.com'],
    ['https://api.example.com', 'https://api.example.com:443'],
    ['https://api.example.com/', 'https://api.example.com//'],
  ])('keeps %s and %s apart', (left, right) => {
    expect(resourceKey(left)).not.toBe(resourceKey(right))
  })
})
