import { resourceKey } from '@arctos/core'
import { record } from '../audit-record.ts'
import { newVersion } from '../identifiers.ts'
import {
  type ResourceSettings,
  resourceColumns,
  resourceOfRow,
  resourceSettings,
  resourcesOf,
} from '../registered-resource.ts'
import { defineVerb, first, run, type Verb } from '../transaction.ts'
import { insertKey, type NewKey } from './keys.ts'
import { nameLock } from './names.ts'

/** The registered resources among these keys; unknown ones are left out. */
export const readResources = defineVerb({
  kind: 'read',
  *run(_moment, keys: readonly string[]) {
    return yield* resourcesOf(keys)
  },
})

/** All resources, the first registered one first: it is the default audience. */
export const listResources = defineVerb({
  kind: 'read',
  *run(_moment, _all: undefined) {
    const { rows } = yield* run(`SELECT ${resourceColumns} FROM resources ORDER BY created_at, resource_key LIMIT 1000`)
    return rows.map(resourceOfRow)
  },
})

export type CreateResourceOutcome =
  | { readonly outcome: 'created'; readonly key: string }
  | { readonly outcome: 'identifier_taken' }

export interface ResourceRegistration {
  readonly settings: ResourceSettings
  /** Where its tokens are under HS256: the sealed secret, which is there from the resource's first moment. */
  readonly sharedSecret?: NewKey | undefined
  readonly actor: string
}

export const createResource = defineVerb({
  kind: 'change',
  *run(transaction, { settings, sharedSecret, actor }: ResourceRegistration): Verb<CreateResourceOutcome> {
    const key = resourceKey(settings.identifier)
    const [needed, given] = [settings.tokenAlgorithm === 'HS256', sharedSecret?.resourceKey]
    if (given !== (needed ? key : undefined)) throw new RangeError('HS256 needs a secret for this very resource')
    // Both spellings of the resource: a client of its name could pass its tokens for the resource's (RFC 9700 §4.15).
    const taken = yield* first(
      'SELECT 1 AS taken FROM resources WHERE resource_key = $1 UNION SELECT 1 FROM clients WHERE id IN ($1, $2)',
      key,
      `${key}/`,
    )
    if (taken !== undefined) return { outcome: 'identifier_taken' }
    yield* run(
      'INSERT INTO resources (resource_key, version, settings, created_at) VALUES ($1, $2, $3, $4)',
      key,
      newVersion(transaction),
      JSON.stringify(resourceSettings.parse(settings)),
      transaction.nowMs,
    )
    if (sharedSecret !== undefined) yield* insertKey(transaction, sharedSecret, actor)
    yield* record(transaction, 'resource.created', actor, { resource: settings.identifier })
    return { outcome: 'created', key }
  },
  locks: () => [nameLock],
})
