/**
 * Whether a sender asks for one media type, by name, at least as much as for the usual one. A wildcard asks for the usual one:
 * whoever sends it has never heard of the other. RFC 9110 §12.5.1
 */
export function prefers(accept: string | null, wanted: string, usual: string): boolean {
  if (accept === null) return false
  const weight = weightOf(accept, wanted)
  return weight > 0 && weight >= weightOf(accept, usual)
}

/** Whether a sender takes a media type, by its name or a wildcard; the most specific range that covers it decides. RFC 9110 §12.5.1 */
export function accepts(accept: string | null, type: string): boolean {
  if (accept === null || accept.trim() === '') return true
  const ranges = accept.toLowerCase().split(',')
  const nameOf = (range: string): string | undefined => range.split(';')[0]?.trim()
  const covering = [type, `${type.split('/')[0]}/*`, '*/*'].find((name) =>
    ranges.some((range) => nameOf(range) === name),
  )
  return covering !== undefined && weightOf(accept, covering) > 0
}

/** Whether a sender takes a content coding: by its name or `*`, and never where it says nothing. RFC 9110 §12.5.3 */
export function acceptsEncoding(accept: string | null, coding: string): boolean {
  const named = (accept ?? '')
    .toLowerCase()
    .split(',')
    .map((range) => range.split(';')[0]?.trim())
  const covering = [coding, '*'].find((name) => named.includes(name))
  return covering !== undefined && weightOf(accept ?? '', covering) > 0
}

/** How much a sender wants a type: 0 where it does not name it, or names it to exclude it. */
function weightOf(accept: string, type: string): number {
  for (const range of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map((part) => part.trim())
    if (name !== type) continue
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    return weight >= 0 && weight <= 1 ? weight : 0
  }
  return 0
}
