import { randomBytes } from 'node:crypto'
import { sha256Base64url } from '@arctos/core'
import type { DeviceExchange, DeviceRequest } from '../../src/store/verbs/device-codes.ts'
import type { DeviceDecision } from '../../src/store/verbs/device-decisions.ts'
import type { TestStore } from './open-test-store.ts'
import { absoluteSeconds, idleSeconds, type Principals } from './principals.ts'

/** A device that waits, and who may use it. */
export interface StartedDevice extends Principals {
  readonly deviceCodeHash: string
  readonly userCodeHash: string
}

/** Has a device ask for access. */
export async function startDevice(
  { store }: TestStore,
  principals: Principals,
  changes: Partial<DeviceRequest> = {},
): Promise<StartedDevice> {
  const deviceCodeHash = sha256Base64url(randomBytes(32))
  const userCodeHash = sha256Base64url(randomBytes(32))
  const request: DeviceRequest = {
    deviceCodeHash,
    userCodeHash,
    clientId: principals.clientId,
    scopes: ['read', 'write', 'offline_access'],
    resourceKeys: [principals.jwtKey],
    askedFrom: '192.0.2.7',
    allowances: [],
    assertion: undefined,
    ...changes,
  }
  const { outcome } = await store.startDevice(request)
  if (outcome !== 'started') throw new Error(`no device: ${outcome}`)
  return { ...principals, deviceCodeHash: request.deviceCodeHash, userCodeHash: request.userCodeHash }
}

/** What a user decides about it, signed in after every cut-off that a test has made. */
export function decisionOf(
  { clock }: TestStore,
  { deviceCodeHash, clientId, userId }: StartedDevice,
  approved: boolean,
): DeviceDecision {
  const authenticatedAt = Math.floor(clock.now() / 1_000) + 60
  return { deviceCodeHash, clientId, userId, authenticatedAt, approved }
}

export async function approve(test: TestStore, device: StartedDevice): Promise<void> {
  const { outcome } = await test.store.decideDevice(decisionOf(test, device, true))
  if (outcome !== 'approved') throw new Error(`not approved: ${outcome}`)
}

export function exchangeOf({ deviceCodeHash, clientId, userId }: StartedDevice): DeviceExchange {
  return { deviceCodeHash, clientId, userId, resourceKeys: [], idleSeconds, absoluteSeconds }
}
