import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { isActive, refresh, signIn, tokensOf } from './flows.ts'
import { type Installation, install, registerClient } from './installation.ts'

describe.each(databaseKinds)('refresh rules by client on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
    await registerClient(site.store, 'bank', { profile: 'fapi2' })
    await registerClient(site.store, 'agent', { profile: 'mcp' })
  })
  afterAll(() => site.end())

  it('gives a client of profile fapi2 the same refresh token, again and again [PROTOCOL §2 A13]', async () => {
    const first = await signIn(site, { clientId: 'bank' })
    for (const pause of [0, 3_600, 86_400]) {
      site.clock.pass(pause)
      expect(tokensOf(await refresh(site, first.refresh, 'bank')).refresh).toBe(first.refresh)
    }
  })

  it('holds a confidential client of profile mcp to the window of a public one [PROTOCOL §2 A11]', async () => {
    const first = await signIn(site, { clientId: 'agent' })
    const second = tokensOf(await refresh(site, first.refresh, 'agent'))
    site.clock.pass(29)
    expect(tokensOf(await refresh(site, first.refresh, 'agent')).refresh).toBe(second.refresh)
    site.clock.pass(1)
    expect((await refresh(site, first.refresh, 'agent')).reason).toBe('refresh.reused')
  })

  it('lets any other confidential client retry until the successor is used [PROTOCOL §2 A15]', async () => {
    const first = await signIn(site)
    const second = tokensOf(await refresh(site, first.refresh))
    site.clock.pass(86_400)
    expect(tokensOf(await refresh(site, first.refresh)).refresh).toBe(second.refresh)
    await refresh(site, second.refresh)
    expect((await refresh(site, first.refresh)).reason).toBe('refresh.reused')
  })
})

describe.each(databaseKinds)('retries in generations running on %s', (database) => {
  /** Rotates and retries each of so many generations; returns the tokens of the last one. */
  async function retryGenerations(site: Installation, token: string, count: number): Promise<string> {
    let live = token
    for (let generation = 0; generation < count; generation++) {
      const next = tokensOf(await refresh(site, live)).refresh
      expect(tokensOf(await refresh(site, live)).refresh).toBe(next)
      live = next
    }
    return live
  }

  const alarms = (site: Installation) => site.journal.filter(({ alarm }) => alarm === 'refresh_replay_streak').length

  it('raise an alarm at the third, once a generation, and are served all the same [PROTOCOL §2]', async () => {
    const site = await install({ database })
    const { refresh: first } = await signIn(site)
    const third = await retryGenerations(site, first, 2)
    expect(alarms(site)).toBe(0)
    const fourth = tokensOf(await refresh(site, third)).refresh
    for (const _again of [1, 2]) expect(tokensOf(await refresh(site, third)).refresh).toBe(fourth)
    expect(alarms(site)).toBe(1)
    await site.end()
  })

  it('are forgotten by one generation without a retry [PROTOCOL §2]', async () => {
    const site = await install({ database })
    const { refresh: first } = await signIn(site)
    const quiet = tokensOf(await refresh(site, await retryGenerations(site, first, 2))).refresh
    await retryGenerations(site, quiet, 2)
    expect(alarms(site)).toBe(0)
    await site.end()
  })

  it('end the family at the third where the operator wants it [PROTOCOL §2]', async () => {
    const site = await install({ database, endReplayStreaks: true })
    const tokens = await signIn(site)
    const third = await retryGenerations(site, tokens.refresh, 2)
    const fourth = tokensOf(await refresh(site, third)).refresh
    expect((await refresh(site, third)).reason).toBe('refresh.reused')
    expect((await refresh(site, fourth)).reason).toBe('refresh.ended')
    expect(await isActive(site, tokens.access)).toBe(false)
    await site.end()
  })
})
