import type { Reporter } from 'vitest/node'

/** Ends the run with one line that a script can read: `N passed, N failed, N skipped`. */
export function closingLine(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
      for (const module of modules) {
        // A file that does not load has errors of its own and no test that could fail.
        counts.failed += module.errors().length
        for (const test of module.children.allTests()) {
          const { state } = test.result()
          counts[state === 'pending' ? 'failed' : state] += 1
        }
      }
      // Other reporters still write at the end of the run; only at exit is this line the last one.
      process.once('exit', () => {
        console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
      })
    },
  }
}
