import { expect, type TestContext } from 'vitest'
import { type Client, clientToken, confidential, postAs, resourceServer, resourceServer2 } from './client.ts'
import type { Environment } from './environment.ts'
import { type Answer, type Form, type JsonObject, jsonOf } from './http.ts'
import { findEndpoint } from './issuer.ts'

/** The variables that introspection of access tokens needs; those of the second API help where they are there. */
export const inspectionVariables = ['CLIENT_ID', 'CLIENT_SECRET', 'RS_CLIENT_ID', 'RS_CLIENT_SECRET'] as const
type InspectionEnvironment = Environment<(typeof inspectionVariables)[number]>

/** An API whose access tokens can be introspected, and how to ask for one. */
export interface Inspectable {
  readonly caller: Client
  readonly form: Readonly<Record<string, string>>
}

export async function introspectionEndpoint(issuer: string, context: TestContext): Promise<string> {
  const url = await findEndpoint(issuer, 'introspection_endpoint')
  return url ?? context.skip('the issuer has no introspection_endpoint')
}

export async function introspect(
  issuer: string,
  context: TestContext,
  caller: Client,
  form: Form,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return await postAs(caller, await introspectionEndpoint(issuer, context), form, headers)
}

/** What the issuer tells a caller about a token. */
export async function described(
  issuer: string,
  context: TestContext,
  caller: Client,
  token: string,
): Promise<JsonObject> {
  const answer = await introspect(issuer, context, caller, { token })
  expect(answer.status, answer.text).toBe(200)
  return jsonOf(answer)
}

/** The first API if its tokens can be introspected, else the second: an issuer may do so for opaque tokens only. */
export async function findInspectable(env: InspectionEnvironment, context: TestContext): Promise<Inspectable> {
  const { AUDIENCE2, SCOPE2, RS2_ID, RS2_SECRET }: Partial<Environment> = env
  const candidates: Inspectable[] = [{ caller: resourceServer(env), form: {} }]
  if (AUDIENCE2 && SCOPE2 && RS2_ID && RS2_SECRET) {
    const caller = resourceServer2({ ISSUER: env.ISSUER, RS2_ID, RS2_SECRET })
    candidates.push({ caller, form: { resource: AUDIENCE2, scope: SCOPE2 } })
  }
  for (const candidate of candidates) {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), candidate.form)
    const answer = await introspect(env.ISSUER, context, candidate.caller, { token: accessToken })
    if (answer.status === 200 && jsonOf(answer)['active'] === true) return candidate
  }
  return context.skip('no access token can be introspected')
}

/** Skips what is about tokens of the first API, where those cannot be introspected. */
export async function requireInspectableUsers(env: InspectionEnvironment, context: TestContext): Promise<Client> {
  const { caller } = await findInspectable(env, context)
  return caller.id === env.RS_CLIENT_ID ? caller : context.skip('access tokens of the first API cannot be introspected')
}
