import { displayName } from './display-name.ts'
import { type Html, html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

export interface ConsentPage {
  readonly action: string
  readonly proof: string
  readonly username: string
  readonly clientId: string
  readonly clientName: string
  /** Where the answer goes: a host, or the scheme that an app has claimed. */
  readonly redirectHost: string
  /** The answer goes to a program on the user's own computer, and nobody can tell which. */
  readonly loopback: boolean
  readonly resources: readonly string[]
  readonly scopes: readonly ConsentScope[]
  /** Whether access lasts when the user is away. */
  readonly offline: boolean
}

export interface ConsentScope {
  readonly word: string
  readonly meaning: string
}

/** Asks the user: who wants what, where, for how long, and where the answer goes (RFC 6749 §10.2, RFC 9700 §4.14). */
export function consentPage(page: ConsentPage): string {
  const name = html`<strong><bdi>${displayName(page.clientName)}</bdi></strong>`
  const body = html`
<h1>Allow access?</h1>
<p>${name} asks to use your account <strong><bdi>${page.username}</bdi></strong>.</p>
${listScopes(page)}
<dl>
<dt>${page.resources.length === 1 ? 'At' : 'At these'}</dt><dd>${page.resources.map((each, index) => html`${index > 0 && html`<br>`}${each}`)}</dd>
<dt>Answer goes to</dt><dd>${page.redirectHost}</dd>
<dt>Client</dt><dd><code>${displayName(page.clientId, 120)}</code></dd>
</dl>
${page.loopback && loopbackNotice}
<form method="post" action="${page.action}">
${hiddenProof(page.proof)}
<div class="actions">
<button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny" class="quiet">Deny</button>
</div>
</form>
<p class="soft small">You can take this back at any time under your account.</p>`
  return renderPage({ title: 'Allow access', body })
}

/** What the access would permit, in the words of the resources. */
export function listScopes({ scopes, offline }: Pick<ConsentPage, 'scopes' | 'offline'>): Html {
  const items = scopes.map(({ word, meaning }) => html`<li>${meaning}<code>${word}</code></li>`)
  if (scopes.length === 0) items.push(html`<li>Act as you there, with no particular scope</li>`)
  if (offline)
    items.push(html`<li>Keep this access while you are away, until you withdraw it<code>offline_access</code></li>`)
  return html`<h2 class="small" id="scopes">It will be able to</h2><ul class="scopes" aria-labelledby="scopes">${items}</ul>`
}

const loopbackNotice = html`<div class="notice"><p><strong>A program on this computer gets the access.</strong> Nobody can check which one it is: allow this only if you have just started it yourself.</p></div>`
