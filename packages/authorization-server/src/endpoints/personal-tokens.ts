import { Refusal, resourceKey } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { enter, type SealedRefusal } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import { pageAnswer, refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { type ListedToken, madeTokenPage, newTokenPage } from '../pages/personal-tokens.ts'
import { type Parameters, parseParameters, required } from '../parameters.ts'
import { personalTokenClient } from '../store/registered-client.ts'
import type { RegisteredResource } from '../store/registered-resource.ts'
import type { CreateApiKeyOutcome } from '../store/verbs/api-keys.ts'
import { makeKeySecret } from '../tokens/api-key.ts'
import {
  type Browser,
  type BrowserSession,
  basePath,
  isFormOfSession,
  makeForm,
  readBrowser,
  readOwnForm,
  readSubmission,
} from './browser.ts'
import { authenticateUser, showSignIn } from './sign-in.ts'

const formSeconds = 3_600
/** Days that a user may choose from. What never expires is for an operator to make. */
const lifetimes = [7, 30, 90, 365]
const usualLifetime = 90

/** What is being made, and by whom. */
interface Making {
  readonly browser: Browser
  readonly session: BrowserSession
  readonly resource: RegisteredResource
  /** What may be chosen, in an order that the form counts in. */
  readonly choices: readonly ScopeChoice[]
  readonly name: string
}

interface ScopeChoice {
  readonly word: string
  readonly meaning: string
}

/** Asks what a new personal access token is for (GET), makes it, and shows it once (POST). */
export function newTokenEndpoint(context: ServerContext, request: Request, peer: Peer): Promise<Response> {
  const event: JournalEvent = { endpoint: 'account/tokens' }
  let making: Making | undefined
  let problem: string | undefined
  return enter(
    context,
    event,
    async () => {
      const browser = await readBrowser(context, request.headers)
      const account = `${basePath(context)}/account`
      if (request.method !== 'POST') {
        if (browser.session === undefined) return showSignIn(context, browser, { to: account })
        const [identifier = ''] = parseParameters(new URL(request.url).search.slice(1)).all('resource')
        event.subject = browser.session.userId
        const offered = await readOffer(context, identifier)
        return showForm(context, { browser, session: browser.session, ...offered, name: '' })
      }
      const parameters = await readForm(request)
      const form = readOwnForm(context, request, browser, 'new-token', parameters)
      const { session } = browser
      if (!isFormOfSession(form, session)) return seeOther(account)
      event.subject = session.userId
      const offered = await readOffer(context, form.data['resource'] ?? '')
      const name = (parameters.get('name') ?? '').trim().slice(0, 100)
      making = { browser, session, ...offered, name }
      problem = problemOf(parameters, making)
      if (problem !== undefined) throw new Refusal('request.invalid_parameter', { check: 'new token' })
      await authenticateUser(context, peer, session.username, parameters.get('current_password') ?? '', event)
      const made = await makeToken(context, making, parameters)
      if (made.id === undefined) {
        problem = made.problem
        throw new Refusal('request.invalid_parameter', { check: 'new token' })
      }
      event.grant = made.id
      return pageAnswer(madeTokenPage(basePath(context), name, made.token), { cookies: browser.cookies })
    },
    (sealed) => answerFailure(context, making, problem, sealed),
  )
}

/** Ends a token of the user's own. */
export function endTokenEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'account/tokens/end' }
  return enter(
    context,
    event,
    async () => {
      const { parameters, browser, form } = await readSubmission(context, request, 'end-token')
      const { session } = browser
      const account = `${basePath(context)}/account`
      if (!isFormOfSession(form, session)) return seeOther(account)
      event.subject = session.userId
      const keyId = required(parameters, 'token_id')
      const { outcome } = await context.store.endApiKey({ keyId, userId: session.userId, actor: session.userId })
      event.outcome = outcome
      return seeOther(`${account}?done=token`)
    },
    refusalPage,
  )
}

/** What the account page shows of a user's tokens. */
export interface PersonalTokens {
  readonly tokens: readonly ListedToken[]
  readonly resources: readonly string[]
}

/** The live tokens of a user, and the resources that there can be new ones for. */
export async function readPersonalTokens({ store }: ServerContext, userId: string): Promise<PersonalTokens> {
  const keys = await store.listApiKeys({ kind: 'user', userId })
  const client = await store.readClient(personalTokenClient)
  const isOpen = client !== undefined && client.disabledAt === undefined
  const resources = isOpen ? await store.listResources(undefined) : []
  return {
    tokens: keys.filter(({ state }) => state === 'active').map((key) => ({ ...key, resource: key.resourceKey })),
    resources: resources.map(({ identifier }) => identifier),
  }
}

/** A resource, and what a token for it may be made to do. */
async function readOffer({ store }: ServerContext, identifier: string): Promise<Pick<Making, 'resource' | 'choices'>> {
  const [resource] = await store.readResources([resourceKey(identifier)])
  if (resource === undefined)
    throw new Refusal('resource.unknown', { check: 'resource', received: identifier.slice(0, 80) })
  const allowed = (await store.readClient(personalTokenClient))?.settings.scopes
  const choices = Object.entries(resource.scopes)
    .filter(([word]) => allowed === undefined || allowed.includes(word))
    .map(([word, meaning]) => ({ word, meaning }))
  return { resource, choices }
}

/** What was chosen of what was shown: where the list has changed since, a box stands for nothing. */
function chosenScopes(parameters: Parameters, choices: readonly ScopeChoice[]): readonly string[] {
  return choices.flatMap(({ word }, index) => (parameters.get(`scope_${index}`) === word ? [word] : []))
}

function problemOf(parameters: Parameters, { choices, name }: Making): string | undefined {
  if (name === '') return 'Give the token a name.'
  if (!lifetimes.includes(Number(parameters.get('days')))) return 'Choose when it expires.'
  const isBare = choices.length > 0 && chosenScopes(parameters, choices).length === 0
  return isBare ? 'Choose what it may do.' : undefined
}

type MadeToken = { readonly id: string; readonly token: string } | { readonly id: undefined; readonly problem: string }

async function makeToken(
  context: ServerContext,
  { session, resource, choices, name }: Making,
  parameters: Parameters,
): Promise<MadeToken> {
  const { secret, hash } = makeKeySecret('personalAccessToken', context.random, context.store.environment)
  const created = await context.store.createApiKey({
    owner: { kind: 'user', userId: session.userId, signedInAt: session.authenticatedAt },
    name,
    resourceKey: resource.key,
    scopes: chosenScopes(parameters, choices),
    secretHash: hash,
    lifetimeSeconds: Number(parameters.get('days')) * 86_400,
    actor: session.userId,
  })
  if (created.outcome === 'created') return { id: created.id, token: secret.reveal() }
  return { id: undefined, problem: sentenceOf(created.outcome) }
}

function sentenceOf(outcome: Exclude<CreateApiKeyOutcome['outcome'], 'created'>): string {
  switch (outcome) {
    case 'too_many':
      return 'You have a hundred tokens. Revoke some first.'
    case 'scope_missing':
    case 'scope_not_allowed':
      return 'Choose what it may do.'
    case 'owner_unknown':
    case 'owner_not_allowed':
    case 'resource_unknown':
      return 'No token can be made now.'
  }
}

/** What is wrong with the form is shown above it, everything else on a page of its own. */
function answerFailure(
  context: ServerContext,
  making: Making | undefined,
  problem: string | undefined,
  sealed: SealedRefusal,
): Response {
  const sentence = sealed.refusal.reason === 'page.sign_in_failed' ? 'The password is wrong.' : problem
  if (making === undefined || sentence === undefined) return refusalPage(sealed)
  return showForm(context, making, { problem: sentence, sealed })
}

function showForm(
  context: ServerContext,
  { browser, session, resource, choices, name }: Making,
  { problem, sealed }: { readonly problem?: string; readonly sealed?: SealedRefusal } = {},
): Response {
  const page = newTokenPage({
    base: basePath(context),
    username: session.username,
    resource: resource.identifier,
    scopes: choices,
    lifetimes,
    usualLifetime,
    proof: makeForm(context, browser, 'new-token', formSeconds, { resource: resource.key }),
    name,
    problem,
  })
  return pageAnswer(page, { cookies: browser.cookies, sealed })
}
