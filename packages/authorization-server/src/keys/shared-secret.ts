import { createSecretKey } from 'node:crypto'
import type { SharedSecretKey } from '@arctos/core'
import type { SealedKey } from '../store/verbs/keys.ts'

/** A secret for one resource as the key ring holds it. `resource` is the key of the resource. */
export interface RingSecret extends SharedSecretKey {
  readonly activeAt: number
  readonly retiredAt: number | undefined
}

/** What a key is sealed for: that of a resource also for the resource, so that rows cannot be swapped between two. */
export function sealPurpose({ purpose, resourceKey }: Pick<SealedKey, 'purpose' | 'resourceKey'>): string {
  return resourceKey === undefined ? purpose : `${purpose} ${resourceKey}`
}

/** The secret as a bound key object. */
export function openSharedSecret(issuer: string, key: SealedKey, material: Buffer): RingSecret {
  if (key.resourceKey === undefined) throw new Error(`shared secret ${key.id} is for no resource`)
  return {
    kid: key.id,
    algorithm: 'HS256',
    owner: issuer,
    resource: key.resourceKey,
    secret: createSecretKey(material),
    activeAt: key.activeAt,
    retiredAt: key.retiredAt,
  }
}
