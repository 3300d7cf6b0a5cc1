import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installation, install, notes } from '../endpoints/installation.ts'
import { receiverOf, verifyEvent } from './receiver.ts'

let site: Installation
beforeAll(async () => {
  site = await install()
})
afterAll(() => site.end())

describe('a poll', () => {
  it('brings what was taken back, signed for the resource', async () => {
    const guard = await receiverOf(site, 'notes-api')
    const id = String((await guard.stream())['stream_id'])
    await site.store.cutOffSubject({ userId: site.userId, reason: 'revoked', actor: 'test', initiator: 'admin' })
    const poll = await guard.poll(id)
    const events = await Promise.all(Object.values(poll.sets).map((set) => verifyEvent(site, set, notes)))
    expect(events.at(-1)?.subject).toEqual({ format: 'iss_sub', iss: site.issuer, sub: site.userId })
  })
})
