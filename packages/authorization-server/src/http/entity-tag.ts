/** Whether one of the entity tags that a cache holds is this one. Proxies that compress make them weak. RFC 9110 §13.1.2 */
export function matchesEntityTag(held: string | null, etag: string): boolean {
  const tags = (held ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag) || tags.includes('*')
}
