// Builds every package from nothing into its `dist`, so that no file of an earlier build reaches a tarball.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const migrations = join(root, 'packages/authorization-server/src/store/migrations')

const outputs = ['packages', 'apps'].flatMap((parent) =>
  readdirSync(join(root, parent)).map((name) => join(root, parent, name, 'dist')),
)
for (const output of outputs) rmSync(output, { recursive: true, force: true })
try {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], { cwd: root, stdio: 'inherit' })
} catch {
  process.exit(1)
}
// The store finds its migrations beside itself, in `src` as in `dist`.
if (existsSync(migrations)) {
  cpSync(migrations, migrations.replace(/src(?=[\\/]store[\\/]migrations$)/, 'dist'), { recursive: true })
}
// npm packs a licence only from the package's own folder.
for (const output of outputs.filter(existsSync)) copyFileSync(join(root, 'LICENSE'), join(output, 'LICENSE'))
