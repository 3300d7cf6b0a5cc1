export type { BffError } from './answers.ts'
export { type Bff, bff } from './bff.ts'
export type { BffApi, BffOptions } from './options.ts'
export { type BffStore, memoryBffStore } from './store.ts'
