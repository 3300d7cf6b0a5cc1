import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { closingLine } from './scripts/vitest-closing-line.ts'

// Vitest hands these conditions on to Node. `import` must not be among them: it would make `require` of a package that
// ships both forms return a module object, and pg could not extend it.
const conditions = ['arctos-source', 'node']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'scripts/test/**/*.test.ts',
      'examples/**/*.test.ts',
    ],
    globalSetup: ['scripts/vitest-postgres.ts'],
    reporters: ['default', closingLine()],
    pool: 'forks',
    // Many tests wait for a disk, a database or another process: a core for each worker would idle half the time.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
