import type { Lock } from '../transaction.ts'

/**
 * Whoever gives out a name holds this row: names of clients, users and resources must differ across three tables, which no
 * constraint can say, and of two that take one name at once the second has to find it taken.
 */
export const nameLock: Lock = { table: 'leases', key: 'names', mode: 'update' }
