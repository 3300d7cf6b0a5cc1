import * as client from '@arctos/client'
import { describe, expect, it } from 'vitest'

describe('@arctos/client', () => {
  it('exports what it promises, and nothing else', () => {
    expect(Object.keys(client).sort()).toEqual([
      'ClientError',
      'OAuthError',
      'SessionOver',
      'Unavailable',
      'apiKey',
      'askInTurn',
      'awaitTurn',
      'bearerHeaders',
      'clientSecretBasic',
      'clientSecretPost',
      'describeSession',
      'discoverResource',
      'endSessionHere',
      'memoryStore',
      'oauthClient',
      'parseChallenges',
      'privateKeyJwt',
      'readChallenge',
      'singleProcessStore',
      'workloadAssertion',
    ])
  })

  it('makes clients and sessions with these members', async () => {
    const made = client.oauthClient({ issuer: 'https://as.example.com', clientId: 'a' })
    expect(Object.keys(made).sort()).toEqual([
      'accessToken',
      'beginLogin',
      'deviceLogin',
      'fetch',
      'finishLogin',
      'login',
      'resume',
      'revoke',
    ])
  })
})
