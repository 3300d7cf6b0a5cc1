import type { Figure } from '../reports/metrics.ts'

/** What is counted of status lists. No label comes from a list or a token: the checks are those of the program. */
export interface StatusListCounts {
  loaded(result: 'applied' | 'unchanged'): void
  /** @param check which one failed, as a refusal names it */
  failed(check: string): void
  /** A token whose list could not be had, and that passed because the configuration says so. */
  passed(): void
}

/** Counts, and the figures in which they are shown. */
export function createStatusListCounts(held: () => number): {
  readonly counts: StatusListCounts
  readonly figures: readonly Figure[]
} {
  const loads = new Map<string, number>([
    ['applied', 0],
    ['unchanged', 0],
  ])
  const failures = new Map<string, number>()
  let passed = 0
  const add = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
  return {
    counts: {
      loaded: (result) => add(loads, result),
      failed: (check) => add(failures, check.replace(/^status list: /, '')),
      passed() {
        passed += 1
      },
    },
    figures: [
      {
        name: 'arctos.guard.status_list_loads',
        kind: 'counter',
        unit: '',
        help: 'Status lists that were loaded, by whether they said anything new.',
        read: () => [...loads].map(([result, value]) => ({ labels: { result }, value })),
      },
      {
        name: 'arctos.guard.status_list_failures',
        kind: 'counter',
        unit: '',
        help: 'Status lists that could not be had, or not be trusted, by the check that failed.',
        read: () => [...failures].map(([check, value]) => ({ labels: { check }, value })),
      },
      {
        name: 'arctos.guard.status_unknown',
        kind: 'counter',
        unit: '',
        help: 'Tokens that passed although their status list could not be had.',
        read: () => [{ labels: {}, value: passed }],
      },
      {
        name: 'arctos.guard.status_lists',
        kind: 'gauge',
        unit: '',
        help: 'Status lists that are held.',
        read: () => [{ labels: {}, value: held() }],
      },
    ],
  }
}
