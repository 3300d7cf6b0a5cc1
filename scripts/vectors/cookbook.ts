// Reads the examples of RFC 7520 and RFC 8037 as ietf-jose/cookbook has them: each is valid.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importVerificationKey, isVerificationKey, type JsonObject } from '@arctos/core'
import { type Attempt, missingOffer, type Vector, verifyCompact } from './vector.ts'

interface Example {
  readonly title: string
  readonly input: { readonly payload?: string; readonly key: JsonObject | readonly JsonObject[] }
  readonly output: { readonly compact?: string }
}

/** The signatures in one folder of the cookbook. */
export function readSignatures(directory: string, folder: string): Vector[] {
  return readFolder(directory, folder).map(({ file, content }) => toVector(file, content as unknown as Example))
}

/** The keys of the cookbook. */
export function readKeys(directory: string): Vector[] {
  return readFolder(directory, 'jwk').map(({ file, content }) => {
    const isPublic = content['d'] === undefined && content['k'] === undefined
    return {
      id: file,
      title: `${content['kty']} key`,
      // A verifier has no use for a private or symmetric key: it must not take one, though the example is a good key.
      isValid: isPublic,
      notOffered: isPublic ? missingCurve(content) : 'private or symmetric key',
      attempt: () => importKey(content),
    }
  })
}

function readFolder(directory: string, folder: string): { readonly file: string; readonly content: JsonObject }[] {
  const path = join(directory, 'cookbook', folder)
  const files = readdirSync(path).filter((name) => name.endsWith('.json'))
  if (files.length === 0) throw new Error(`no examples in ${path}`)
  return files.sort().map((file) => ({ file, content: JSON.parse(readFileSync(join(path, file), 'utf8')) }))
}

function toVector(file: string, { title, input, output }: Example): Vector {
  const jwks = (Array.isArray(input.key) ? input.key : [input.key]).map(publicHalf)
  const text = output.compact ?? ''
  return {
    id: file,
    title,
    isValid: true,
    notOffered: missingForm(text) ?? missingOffer(text, jwks, true),
    attempt: () => verifyCompact(text, jwks, input.payload),
  }
}

function missingForm(text: string): string | undefined {
  if (text === '') return 'JSON serialization'
  const parts = text.split('.')
  if (parts.length === 5) return 'JWE'
  return parts[1] === '' ? 'detached content' : undefined
}

/** The examples give private keys only; a verifier gets their public half. */
function publicHalf(jwk: JsonObject): JsonObject {
  const { d, p, q, dp, dq, qi, ...rest } = jwk
  return rest
}

function missingCurve({ kty, crv }: JsonObject): string | undefined {
  return kty === 'EC' && crv !== 'P-256' ? String(crv) : undefined
}

function importKey(jwk: JsonObject): Attempt {
  const key = importVerificationKey(jwk, 'vectors')
  return isVerificationKey(key) ? { layer: 'accepted', why: '' } : { layer: 'key', why: key.why }
}
