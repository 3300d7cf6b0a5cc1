import { displayName } from './display-name.ts'
import { type Html, html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

/** A personal access token as its user sees it in the list. */
export interface ListedToken {
  readonly id: string
  readonly name: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** Epoch seconds; absent: never. */
  readonly expiresAt: number | undefined
  readonly lastUsedAt: number | undefined
}

export interface TokensSection {
  /** The path under which this server's pages lie. */
  readonly base: string
  readonly tokens: readonly ListedToken[]
  /** What tokens can be made for; none where nobody gets any. */
  readonly resources: readonly string[]
  readonly endProof: string
}

/** The user's live tokens on the account page, and the way to a new one. */
export function tokensSection(section: TokensSection): Html {
  const { base, resources } = section
  return html`<section aria-labelledby="tokens">
<h2 id="tokens">Personal access tokens</h2>
<p class="soft small">For your own programs and scripts that cannot sign in. Whoever has one acts as you.</p>
${listTokens(section)}
${
  resources.length > 0 &&
  html`<form method="get" action="${base}/account/tokens" class="narrow">
<label for="token_resource">Make a token for</label>
<select id="token_resource" name="resource">${resources.map((each) => html`<option>${each}</option>`)}</select>
<div class="actions"><button type="submit" class="quiet">Choose what it may do</button></div>
</form>`
}
</section>`
}

function listTokens({ base, tokens, endProof }: TokensSection): Html {
  if (tokens.length === 0) return html`<p class="soft">You have no tokens.</p>`
  const items = tokens.map(({ id, name, resource, scopes, expiresAt, lastUsedAt }, index) => {
    const used = lastUsedAt === undefined ? 'not used yet' : html`last used ${day(lastUsedAt)}`
    const ends = expiresAt === undefined ? 'never expires' : html`expires ${day(expiresAt)}`
    return html`<li><div><h3 id="token-${index}"><bdi>${displayName(name)}</bdi></h3>
<p class="small soft">${resource} · <code>${scopes.join(' ')}</code> · ${ends} · ${used}</p></div>
<form method="post" action="${base}/account/tokens/end">${hiddenProof(endProof)}<input type="hidden" name="token_id" value="${id}"><button type="submit" class="quiet" aria-describedby="token-${index}">Revoke</button></form></li>`
  })
  return html`<ul class="applications">${items}</ul>`
}

function day(at: number): Html {
  const date = new Date(at * 1_000).toISOString().slice(0, 10)
  return html`<time datetime="${date}">${date}</time>`
}

export interface NewTokenPage {
  readonly base: string
  readonly username: string
  readonly resource: string
  readonly scopes: readonly { readonly word: string; readonly meaning: string }[]
  /** Days that it may live for, and which of them is proposed. */
  readonly lifetimes: readonly number[]
  readonly usualLifetime: number
  readonly proof: string
  /** What was typed before, and what is wrong with it. */
  readonly name: string
  readonly problem: string | undefined
}

/** Asks what a new token is for. The password is asked for again: a token outlives the session that made it. */
export function newTokenPage(page: NewTokenPage): string {
  const { base, username, resource, scopes, lifetimes, usualLifetime, proof, name, problem } = page
  const body = html`
<h1>New personal access token</h1>
<p class="soft">For <strong>${resource}</strong>, as <strong><bdi>${username}</bdi></strong>.</p>
${problem !== undefined && html`<div class="notice bad" role="alert"><p>${problem}</p></div>`}
<form method="post" action="${base}/account/tokens">
${hiddenProof(proof)}
<label for="token_name">Name</label>
<input id="token_name" name="name" type="text" value="${name}" maxlength="100" autocomplete="off" required aria-describedby="name_hint">
<p class="soft small" id="name_hint">What uses it, so that you know later whether to revoke it.</p>
${scopes.length > 0 && html`<fieldset><legend>It may</legend>${scopes.map(({ word, meaning }, index) => html`<label for="scope_${index}"><input id="scope_${index}" type="checkbox" name="scope_${index}" value="${word}"> ${meaning} <code>${word}</code></label>`)}</fieldset>`}
<label for="token_days">It expires</label>
<select id="token_days" name="days">${lifetimes.map((days) => html`<option value="${days}"${days === usualLifetime && html` selected`}>in ${days} days</option>`)}</select>
<input type="text" name="username" value="${username}" autocomplete="username" hidden>
<label for="token_password">Your password</label>
<input id="token_password" name="current_password" type="password" autocomplete="current-password" maxlength="1024" required>
<div class="actions"><button type="submit">Make the token</button></div>
</form>
<p><a href="${base}/account">Back to your account</a></p>`
  return renderPage({ title: 'New personal access token', body })
}

/** Shows a token, this once. */
export function madeTokenPage(base: string, name: string, token: string): string {
  const body = html`
<h1>Your new token</h1>
<div class="notice good" role="status"><p>Copy it now: it is not shown again, and nobody here can look it up.</p></div>
<h2 class="small"><bdi>${displayName(name)}</bdi></h2>
<p class="receipt"><code>${token}</code></p>
<p class="soft small">Programs exchange it for short tokens, or send it as <code>Authorization: Bearer</code> where the API takes it. Keep it out of command lines and source code.</p>
<p><a href="${base}/account">Back to your account</a></p>`
  return renderPage({ title: 'Your new token', body })
}
