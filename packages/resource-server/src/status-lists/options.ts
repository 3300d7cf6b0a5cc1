import { check, isTrustworthyUrl, urlRule } from '../option-check.ts'

/** Drafts, each by the number that is implemented: another number may be something else. */
export interface Experiments {
  /**
   * Token Status List, draft-ietf-oauth-status-list-21: tokens that name an entry of a list of their issuer are refused once the list
   * says that they were taken back. Late by the list's `ttl`, at the most; it catches up what no feed told.
   */
  readonly tokenStatusList?: 'draft-21' | undefined
  /** Refuses JWTs that name no entry. By default they pass: where nothing is said of them, nothing can be. */
  readonly statusRequired?: boolean | undefined
  /** What happens to a good token while its list cannot be had: 503, or it passes and is counted. By default `refuse`. */
  readonly whenStatusUnavailable?: 'refuse' | 'accept' | undefined
  /** Origins beside the issuer's own at which its lists may lie: those of a CDN. */
  readonly statusListOrigins?: readonly string[] | undefined
}

/** The options of the experiment, checked. */
export interface StatusListConfiguration {
  readonly required: boolean
  readonly whenUnavailable: 'refuse' | 'accept'
  readonly origins: readonly string[]
}

/** Throws a TypeError for a draft that is not implemented. `undefined` where the experiment is off. */
export function readExperiments(experiments: Experiments | undefined): StatusListConfiguration | undefined {
  const { tokenStatusList, statusRequired = false, whenStatusUnavailable = 'refuse' } = experiments ?? {}
  const name = (option: string): string => `experimental.${option}`
  if (tokenStatusList === undefined) {
    const others = Object.entries(experiments ?? {}).find(([, value]) => value !== undefined)
    if (others !== undefined) check(false, name(others[0]), others[1], "set only beside tokenStatusList: 'draft-21'")
    return undefined
  }
  check(tokenStatusList === 'draft-21', name('tokenStatusList'), tokenStatusList, 'draft-21, or left out')
  check(typeof statusRequired === 'boolean', name('statusRequired'), statusRequired, 'true or false')
  const isBehaviour = whenStatusUnavailable === 'refuse' || whenStatusUnavailable === 'accept'
  check(isBehaviour, name('whenStatusUnavailable'), whenStatusUnavailable, 'refuse or accept')
  const origins = experiments?.statusListOrigins ?? []
  check(Array.isArray(origins), name('statusListOrigins'), origins, 'a list of origins')
  for (const origin of origins) {
    const isOrigin = isTrustworthyUrl(origin) && new URL(origin).origin === origin
    check(isOrigin, name('statusListOrigins'), origin, `origins: ${urlRule}, without a path`)
  }
  return { required: statusRequired, whenUnavailable: whenStatusUnavailable, origins: [...origins] }
}
