import { parseScope, Refusal } from '@arctos/core'
import { ClientError } from './errors.ts'
import { isSecureResource } from './secure-url.ts'

/** The words of a `scope` option, none where it is absent. Throws `invalid_option` (RFC 6749 §3.3). */
export function readScopeOption(scope: string | undefined): readonly string[] {
  if (scope === undefined) return []
  try {
    return parseScope(scope)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new ClientError(
      'invalid_option',
      'scope must be words separated by single spaces, without quotes and backslashes',
    )
  }
}

/** A `resource` option. Throws `invalid_option` (RFC 8707 §2). */
export function readResourceOption(resource: string): string {
  if (isSecureResource(resource)) return resource
  throw new ClientError(
    'invalid_option',
    'resource must be an https URL (http on loopback) without query, fragment or user',
  )
}
