// Reads the JOSE files of C2SP/wycheproof.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '@arctos/core'
import { missingOffer, type Vector, verifyCompact } from './vector.ts'

type KeyOrSet = JsonObject | { readonly keys: readonly JsonObject[] }

interface Group {
  readonly comment: string
  /** Given for asymmetric keys; the private half is for signing. */
  readonly public?: KeyOrSet
  readonly private: KeyOrSet
  readonly tests: readonly Test[]
}

interface Test {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid'
  /** An object in the JSON serialization. */
  readonly jws?: string | object
  readonly jwe?: string | object
}

/** The vectors of one file below `directory`. */
export function readWycheproof(directory: string, name: string): Vector[] {
  const { testGroups, numberOfTests } = JSON.parse(readFileSync(join(directory, 'wycheproof', name), 'utf8'))
  const vectors = (testGroups as readonly Group[]).flatMap((group) => group.tests.map((test) => toVector(group, test)))
  if (vectors.length !== numberOfTests) throw new Error(`${name} has ${vectors.length} of its ${numberOfTests} vectors`)
  return vectors
}

function toVector(group: Group, { tcId, comment, result, jws, jwe }: Test): Vector {
  const keys = group.public ?? group.private
  const jwks = Array.isArray(keys['keys']) ? (keys['keys'] as readonly JsonObject[]) : [keys as JsonObject]
  const token = jws ?? jwe
  if (token === undefined || (result !== 'valid' && result !== 'invalid')) throw new Error(`cannot read tcId ${tcId}`)
  const text = typeof token === 'string' ? token : JSON.stringify(token)
  const isValid = result === 'valid'
  return {
    id: `tcId ${tcId}`,
    title: `${group.comment}: ${comment}`,
    isValid,
    notOffered: jws === undefined ? 'JWE' : missingOffer(text, jwks, isValid),
    attempt: () => verifyCompact(text, jwks),
  }
}
