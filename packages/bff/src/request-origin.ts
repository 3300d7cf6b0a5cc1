/** The header that a page's own scripts send with every call. Other origins cannot, without being asked first (RFC 10017 §6.1.3.3). */
export const callHeader = 'arctos-bff'

const safeMethods = ['GET', 'HEAD']

/** Why a request is not taken for a call of the application's own page; `undefined` where it is one. */
export type ForeignCall = 'header_missing' | 'other_origin' | 'origin_unknown'

/**
 * Whether a script of our own origin made this call (RFC 10017 §6.1.3.3.2). SameSite cookies are not enough: every other host below the
 * same registered domain, and every other port, is the same site. What the browser says of the origin must agree wherever it
 * says something, and for a method that changes anything it has to say something.
 */
export function foreignCall({ method, headers }: Request, origin: string): ForeignCall | undefined {
  const sentBy = headers.get('origin')
  const site = headers.get('sec-fetch-site')
  if (sentBy !== null && sentBy !== origin) return 'other_origin'
  if (site !== null && site !== 'same-origin') return 'other_origin'
  if (headers.get(callHeader) !== '1') return 'header_missing'
  if (sentBy === null && site === null && !safeMethods.includes(method)) return 'origin_unknown'
  return undefined
}

/** Whether a browser is on its way to a page: not a frame, an image or a script that wants to see what comes. */
export function isNavigation({ headers }: Request): boolean {
  const mode = headers.get('sec-fetch-mode')
  const destination = headers.get('sec-fetch-dest')
  return (mode === null || mode === 'navigate') && (destination === null || destination === 'document')
}
