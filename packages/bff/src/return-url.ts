const lengthLimit = 2_000
// One slash and no second one, and nothing that a URL parser drops or turns into a slash: blanks, controls, backslashes.
const plainPath = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/

/**
 * Where to go after the login: a path of this origin, as a whole URL, for a path can be written so that only resolving it shows
 * where it leads (`/.//elsewhere`). `undefined` for everything else (RFC 9700 §4.11.1).
 *
 * @param ownPath the path of the BFF's endpoints, where nobody is sent back to
 */
export function returnUrl(path: string, origin: string, ownPath: string): string | undefined {
  if (path.length > lengthLimit || !plainPath.test(path) || !URL.canParse(path, origin)) return undefined
  const url = new URL(path, origin)
  const isOwn = url.pathname === ownPath || url.pathname.startsWith(`${ownPath}/`)
  return url.origin === origin && !url.pathname.startsWith('//') && !isOwn ? url.href : undefined
}
