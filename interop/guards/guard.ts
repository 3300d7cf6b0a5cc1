import type { TestAuthorizationServer } from '@arctos/testing'
import type { Listening } from '../support/listening.ts'

/** A guard to be asked every vector. It guards `/read` and `/write`, for GET and POST. */
export interface ComparedGuard {
  /** At the head of its column. */
  readonly name: string
  /** The packages whose versions are told. */
  readonly packages: readonly string[]
  /** How it is set up, in a few words. */
  readonly setup: string
  readonly keysFrom?: 'metadata' | 'configuration'
  /** Routes that only this one has. */
  readonly routes?: { readonly read: string; readonly write?: string; readonly form?: string }
  /** Starts it anew, with nothing loaded. */
  readonly start: (as: TestAuthorizationServer) => Promise<Listening>
}

/** The API that tokens are for. */
export const resource = 'https://api.example.com'
export const scopes = { read: 'Read notes', write: 'Change notes' }
