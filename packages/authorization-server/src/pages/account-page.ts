import { displayName } from './display-name.ts'
import { type Html, html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'
import { type TokensSection, tokensSection } from './personal-tokens.ts'

export interface AccountPage {
  /** The path under which this server's pages lie. */
  readonly base: string
  readonly username: string
  readonly applications: readonly ListedApplication[]
  readonly personal: Pick<TokensSection, 'tokens' | 'resources'>
  readonly withdrawProof: string
  readonly endTokenProof: string
  readonly passwordProof: string
  readonly notice: string | undefined
  /** What is wrong with the change of password. */
  readonly problem: string | undefined
}

export interface ListedApplication {
  readonly clientId: string
  readonly clientName: string
  readonly scopes: readonly string[]
  /** Epoch seconds. */
  readonly since: number
}

/** The user's own page: who is signed in, who else has access, and a new password. */
export function accountPage(page: AccountPage): string {
  const body = html`
<div class="top">
<div><h1>Your account</h1><p class="soft">Signed in as <strong><bdi>${page.username}</bdi></strong></p></div>
<form method="get" action="${page.base}/sign-out"><button type="submit" class="quiet">Sign out</button></form>
</div>
${page.notice !== undefined && html`<div class="notice good" role="status"><p>${page.notice}</p></div>`}
<section aria-labelledby="applications">
<h2 id="applications">Applications with access</h2>
${listApplications(page)}
</section>
${tokensSection({ base: page.base, ...page.personal, endProof: page.endTokenProof })}
<section aria-labelledby="password">
<h2 id="password">Change your password</h2>
<p class="soft small">Everything else that is signed in with your account ends: other browsers, every application and every token above.</p>
${page.problem !== undefined && html`<div class="notice bad" role="alert"><p id="problem">${page.problem}</p></div>`}
${passwordForm(page)}
</section>`
  return renderPage({ title: 'Your account', body, wide: true })
}

function listApplications({ base, applications, withdrawProof }: AccountPage): Html {
  if (applications.length === 0) return html`<p class="soft">No application has access to your account.</p>`
  const items = applications.map(({ clientId, clientName, scopes, since }, index) => {
    const date = new Date(since * 1_000).toISOString().slice(0, 10)
    return html`<li><div><h3 id="application-${index}"><bdi>${displayName(clientName)}</bdi></h3>
<p class="small soft">${scopes.length === 0 ? 'no particular scope' : html`<code>${scopes.join(' ')}</code>`} · since <time datetime="${date}">${date}</time></p></div>
<form method="post" action="${base}/account/withdraw">${hiddenProof(withdrawProof)}<input type="hidden" name="client_id" value="${clientId}"><button type="submit" class="quiet" aria-describedby="application-${index}">Withdraw</button></form></li>`
  })
  return html`<ul class="applications">${items}</ul>`
}

function passwordForm({ base, username, passwordProof, problem }: AccountPage): Html {
  const mark = problem !== undefined && html` aria-describedby="problem"`
  return html`<form method="post" action="${base}/account/password" class="narrow">
${hiddenProof(passwordProof)}
<input type="text" name="username" value="${username}" autocomplete="username" hidden>
<label for="current_password">Current password</label>
<input id="current_password" name="current_password" type="password" autocomplete="current-password" maxlength="1024" required${mark}>
<label for="new_password">New password</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" minlength="12" maxlength="1024" required aria-describedby="rule">
<p class="soft small" id="rule">At least 12 characters; a few words make a good one.</p>
<label for="new_password_again">New password, again</label>
<input id="new_password_again" name="new_password_again" type="password" autocomplete="new-password" minlength="12" maxlength="1024" required>
<div class="actions"><button type="submit">Change password</button></div>
</form>`
}
