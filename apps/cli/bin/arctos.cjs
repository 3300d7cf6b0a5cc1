#!/usr/bin/env node
// Plain CommonJS, because an old Node has to be able to read it and say what is missing.
'use strict'
const { existsSync } = require('node:fs')
const { join } = require('node:path')

const launcher = join(__dirname, '../../../scripts/node.cjs')
const source = join(__dirname, '../src/main.ts')
const [major, minor] = process.versions.node.split('.').map(Number)

if (existsSync(launcher) && existsSync(source)) {
  // In a clone: run from source, on the Node that the clone brings along.
  process.argv.splice(2, 0, '--conditions=arctos-source', source)
  require(launcher)
} else if ((major === 24 && minor >= 16) || (major === 26 && minor >= 1) || major > 26) {
  void import('../dist/main.js')
} else {
  console.error(`arctos needs Node 24.16 or newer (24 or 26); this is ${process.versions.node}.`)
  process.exitCode = 1
}
