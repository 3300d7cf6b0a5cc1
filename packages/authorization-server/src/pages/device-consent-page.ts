import { type ConsentScope, listScopes } from './consent-page.ts'
import { displayName } from './display-name.ts'
import { html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

export interface DeviceConsentPage {
  readonly action: string
  readonly proof: string
  readonly username: string
  readonly clientId: string
  readonly clientName: string
  /** The code as the device shows it. */
  readonly userCode: string
  readonly resources: readonly string[]
  readonly scopes: readonly ConsentScope[]
  /** Whether access lasts when the user is away. */
  readonly offline: boolean
  /** The address that the request came from, and whether this browser is in the same network. */
  readonly askedFrom: string
  readonly sameNetwork: boolean
  /** Epoch seconds. */
  readonly askedAt: number
  readonly ageSeconds: number
}

/**
 * Asks the user about a device that nobody can see from here: who wants what, from where, since when. To refuse comes first, for
 * whoever was talked into coming here needs it most. RFC 8628 §5.4, RFC 10027 §6.1.13, RFC 10027 §6.1.14
 */
export function deviceConsentPage(page: DeviceConsentPage): string {
  const name = html`<strong><bdi>${displayName(page.clientName)}</bdi></strong>`
  const asked = new Date(page.askedAt * 1_000).toISOString()
  const body = html`
<h1>Did you start this?</h1>
<p>A device that runs ${name} asks to use your account <strong><bdi>${page.username}</bdi></strong>. It has to show this code now:</p>
<p class="code">${page.userCode}</p>
${listScopes(page)}
<dl>
<dt>${page.resources.length === 1 ? 'At' : 'At these'}</dt><dd>${page.resources.map((each, index) => html`${index > 0 && html`<br>`}${each}`)}</dd>
<dt>Asked from</dt><dd>${page.askedFrom}, ${page.sameNetwork ? 'the network of this browser' : html`<strong>not the network of this browser</strong>`}</dd>
<dt>Asked at</dt><dd><time datetime="${asked}">${asked.slice(0, 16).replace('T', ' ')} UTC</time>, ${describeAge(page.ageSeconds)}</dd>
<dt>Client</dt><dd><code>${displayName(page.clientId, 120)}</code></dd>
</dl>
<div class="notice"><p><strong>Allow this only if you started it yourself, just now, on a device in front of you.</strong> If somebody gave you the code, by message, on the telephone or on a web page, refuse: the access would be theirs.</p></div>
<form method="post" action="${page.action}">
${hiddenProof(page.proof)}
<div class="actions">
<button type="submit" name="decision" value="deny">No, refuse</button>
<button type="submit" name="decision" value="approve" class="quiet">Yes, allow my device</button>
</div>
</form>
<p class="soft small">You can take this back at any time under your account.</p>`
  return renderPage({ title: 'Connect a device', body })
}

function describeAge(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  if (minutes === 0) return 'less than a minute ago'
  return minutes === 1 ? 'a minute ago' : `${minutes} minutes ago`
}
