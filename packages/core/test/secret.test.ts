import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { Secret } from '../src/index.ts'

const value = 'marker-7f3a'
const secret = new Secret(value)

function printed(print: (console: Console) => void): string {
  const stream = new PassThrough()
  print(new Console({ stdout: stream, stderr: stream }))
  return String(stream.read() ?? '')
}

describe('Secret', () => {
  it('gives its value to whoever asks for it by name', () => {
    expect(secret.reveal()).toBe(value)
  })

  it.each<readonly [string, () => string]>([
    ['a template', () => `${secret}`],
    ['concatenation', () => `token=${String(secret)}`],
    ['String()', () => String(secret)],
    ['toLocaleString', () => secret.toLocaleString()],
    ['joining a list', () => [secret, secret].join()],
    ['a URL', () => new URLSearchParams([['token', String(secret)]]).toString()],
    ['JSON.stringify', () => JSON.stringify(secret)],
    ['JSON.stringify of an object that holds it', () => JSON.stringify({ a: [{ secret }] }, undefined, 2)],
    ['inspect', () => inspect(secret)],
    ['inspect of nested objects', () => inspect({ a: { b: [{ secret }] } }, { depth: null })],
    ['inspect of a Map', () => inspect(new Map([['a', secret]]))],
    ['inspect as a key', () => inspect(new Map([[secret, 'a']]))],
    ['inspect with all hidden things', () => inspect({ secret }, { showHidden: true, depth: null, getters: true })],
    ['inspect without custom printing', () => inspect({ secret }, { customInspect: false, showHidden: true })],
    ['inspect of a proxy', () => inspect(new Proxy(secret, {}), { showProxy: true })],
    ['format %s', () => format('%s', secret)],
    ['format %o', () => format('%o', secret)],
    ['format %O', () => format('%O', { secret })],
    ['format %j', () => format('%j', { secret })],
    ['console.log', () => printed((console) => console.log(secret, { a: secret }, `${secret}`))],
    ['console.dir', () => printed((console) => console.dir({ secret }, { showHidden: true, depth: null }))],
    ['console.table', () => printed((console) => console.table([{ secret }]))],
    ['console.error of an error', () => printed((console) => console.error(new Error('a', { cause: secret })))],
    ['an error message', () => new Error(`no good: ${secret}`).message],
    ['an error with it as cause', () => inspect(new Error('a', { cause: secret }))],
    ['an error with it as property', () => inspect(Object.assign(new Error('a'), { secret, more: { secret } }))],
    ['the errors of an AggregateError', () => inspect(new AggregateError([Object.assign(new Error('a'), { secret })]))],
    ['structuredClone', () => inspect(structuredClone({ secret }), { showHidden: true })],
    ['v8.serialize', () => serialize({ secret }).toString('latin1')],
    ['v8.deserialize', () => inspect(deserialize(serialize({ secret })))],
    [
      'its own names and values',
      () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret).map(String), { ...secret }]),
    ],
  ])('does not show in %s', (_name, write) => {
    const text = write()
    expect(text).not.toContain(value)
    expect(text.length).toBeGreaterThan(0)
  })

  it.each<readonly [string, () => string]>([
    ['a template', () => `${secret}`],
    ['JSON', () => JSON.parse(JSON.stringify(secret))],
    ['inspect', () => inspect(secret)],
  ])('reads [redacted] in %s', (_name, write) => {
    expect(write()).toBe('[redacted]')
  })
})
