import { describe, expect, it } from 'vitest'
import { publicClientId } from './support/authorization-server.ts'
import { startScene } from './support/reporter.ts'

interface Wanted {
  readonly acrValues?: readonly string[]
  readonly maxAgeSeconds?: number
}

describe.each(['login', 'beginLogin'] as const)('how and when the user has to sign in, by %s', (kind) => {
  /** What of it is in the authorization request. */
  async function requested(wanted: Wanted): Promise<readonly (string | null)[]> {
    const { program, resource, openBrowser } = await startScene()
    let asked = ''
    if (kind === 'login') {
      await program.login({
        resource,
        ...wanted,
        openBrowser: (url) => {
          asked = url
          return openBrowser(url)
        },
      })
    } else {
      const redirectUri = 'https://app.example.com/callback'
      asked = (await program.beginLogin({ resource, redirectUri, ...wanted })).url
    }
    const query = new URL(asked).searchParams
    expect(query.get('client_id')).toBe(publicClientId)
    return [query.get('acr_values'), query.get('max_age')]
  }

  it.each([
    [{}, [null, null]],
    [{ acrValues: [] }, [null, null]],
    [{ acrValues: ['urn:example:gold', 'silver'], maxAgeSeconds: 300 }, ['urn:example:gold silver', '300']],
    [{ maxAgeSeconds: 0 }, [null, '0']],
    [{ maxAgeSeconds: 999_999_999 }, [null, '999999999']],
  ])('is asked for as %j says [RFC 9470 §4]', async (wanted, expected) => {
    expect(await requested(wanted)).toEqual(expected)
  })

  it.each([
    { acrValues: ['two words'] },
    { acrValues: ['gold"'] },
    { acrValues: [''] },
    { acrValues: ['göld'] },
    { acrValues: Array.from({ length: 21 }, (_, n) => `a${n}`) },
    { maxAgeSeconds: -1 },
    { maxAgeSeconds: 1.5 },
    { maxAgeSeconds: Number.NaN },
    { maxAgeSeconds: 1_000_000_000 },
  ])('is not asked for as %j says', async (wanted) => {
    await expect(requested(wanted)).rejects.toMatchObject({ code: 'invalid_option' })
  })
})
