import { type Facts, openReceipt, type Reason, type ReceiptContent, sealReceipt } from '@arctos/core'
import type { KeyRing } from './keys/key-ring.ts'

/** Seals and reads receipts with the keys of the last days (PROTOCOL §5). */
export interface Receipts {
  /** @param owner the client that proved itself, who may then read the receipt */
  readonly seal: (reason: Reason, facts: Facts, owner: string | undefined) => string
  /** The same for a guard that shares our key. */
  readonly sealContent: (content: ReceiptContent) => string
  readonly open: (receipt: string) => ReceiptContent | undefined
}

export function createReceipts(keys: KeyRing, random: (byteLength: number) => Buffer, now: () => number): Receipts {
  const sealContent = (content: ReceiptContent): string => sealReceipt(keys.receiptKey(), content, random(12))
  return {
    seal: (reason, facts, owner) =>
      sealContent({ at: Math.floor(now() / 1000), reason, facts, owner, audience: undefined }),
    sealContent,
    open: (receipt) => openReceipt(keys.receiptKeys(), receipt),
  }
}
