/** The one page. It learns who it is for, calls the API and logs out, and holds no token. */
export function page(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Browser application</title><link rel="icon" href="data:,"></head>
<body>
<h1>Browser application</h1>
<p id="status">…</p>
<p><a id="login" href="/bff/login?return_to=/" hidden>Log in</a></p>
<p><button id="read" hidden>Call the API</button> <button id="logout" hidden>Log out</button></p>
<pre id="answer"></pre>
<script nonce="${nonce}" type="module">
const call = (path, init) => fetch(path, { ...init, headers: { 'arctos-bff': '1', ...init?.headers } })
const find = (id) => document.getElementById(id)
async function show() {
  const session = await (await call('/bff/session')).json()
  find('status').textContent = session.loggedIn ? 'logged in, for ' + session.scope.join(' ') : 'not logged in'
  find('login').hidden = session.loggedIn
  find('read').hidden = find('logout').hidden = !session.loggedIn
}
find('read').onclick = async () => {
  const answer = await call('/api/read')
  find('answer').textContent = answer.status + ' ' + (await answer.text())
  await show()
}
find('logout').onclick = async () => {
  await call('/bff/logout', { method: 'POST' })
  find('answer').textContent = ''
  await show()
}
await show()
</script>
</body>
</html>
`
}
