import { describe, expect, it } from 'vitest'
import { type ClientSettings, clientSettings } from '../../src/store/registered-client.ts'

const service: ClientSettings = {
  name: 'Service',
  authenticationMethods: ['client_secret_basic'],
  grantTypes: ['client_credentials'],
  redirectUris: [],
}

describe('the settings of a client', () => {
  it('are taken as they are', () => {
    expect(clientSettings.parse(service)).toEqual(service)
  })

  it.each<[string, Partial<ClientSettings>, RegExp]>([
    ['none beside another method', { authenticationMethods: ['none', 'client_secret_basic'] }, /no other auth/],
    ['a public client of profile fapi2', { authenticationMethods: ['none'], profile: 'fapi2' }, /confidential/],
    ['a resource server that gets tokens', { resourceServerOf: 'https://api.example' }, /gets no tokens/],
    ['a name of nothing', { name: '' }, /name/],
    ['more redirect URIs than a page shows', { redirectUris: Array(21).fill('https://a.example/') }, /redirectUris/],
  ])('cannot be %s', (_what, changes, problem) => {
    const { error } = clientSettings.safeParse({ ...service, ...changes })
    expect(JSON.stringify(error?.issues)).toMatch(problem)
  })
})
