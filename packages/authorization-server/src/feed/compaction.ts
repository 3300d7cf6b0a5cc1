import type { RevocationEntry } from '../store/revocation-entry.ts'

/** One line of a snapshot: a letter for the kind, then what names it, then a time (epoch seconds). */
export type SnapshotLine = readonly (string | number)[]

/** What of the ledger still matters to somebody who begins now: of each cut-off the greatest, nothing twice (PROTOCOL §6). */
export interface Compaction {
  readonly add: (entry: RevocationEntry, atMs: number) => void
  readonly lines: () => readonly SnapshotLine[]
}

/**
 * Gathers entries. Tokens `t` come with their expiry, ended grants `g` with when they ended, cut-offs with T: grants whose claims
 * changed `m`, users at a client `p`, subjects `s`, clients `c`, actors `a`, all `x`.
 */
export function createCompaction(): Compaction {
  const named = new Map<string, SnapshotLine>()

  const raise = (names: readonly [string, ...string[]], time: number): void => {
    const key = JSON.stringify(names)
    const known = named.get(key)?.at(-1)
    if (known === undefined || Number(known) < time) named.set(key, [...names, time])
  }

  return {
    add(entry, atMs) {
      switch (entry.kind) {
        case 'token':
          return raise(['t', entry.jti], entry.expiresAt)
        case 'grant':
          return raise(['g', entry.grantId], Math.floor(atMs / 1_000))
        case 'claims':
          return raise(['m', entry.grantId], entry.issuedBefore)
        case 'user_at_client':
          return raise(['p', entry.userId, entry.clientId], entry.issuedBefore)
        case 'subject':
          return raise(['s', entry.userId], entry.issuedBefore)
        case 'client':
          return raise(['c', entry.clientId], entry.issuedBefore)
        case 'actor':
          return raise(['a', entry.actor], entry.issuedBefore)
        case 'all':
          return raise(['x'], entry.issuedBefore)
        case 'key':
        case 'credential':
          // Whoever begins now fetches the keys anew, and a credential is no token.
          return
      }
    },
    lines() {
      const all = Number(named.get('["x"]')?.at(-1) ?? 0)
      // A cut-off of everything from before T leaves nothing to the smaller ones.
      return [...named.values()].filter((line) => !isCutOff(line) || Number(line.at(-1)) > all || line[0] === 'x')
    },
  }
}

function isCutOff([kind]: SnapshotLine): boolean {
  return kind !== 't' && kind !== 'g'
}
