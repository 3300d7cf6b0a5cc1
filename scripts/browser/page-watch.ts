import type { Page } from 'playwright-core'

/** Everything that a page, or somebody who looks over its shoulder, could see. */
export interface PageWatch {
  /** What its scripts can read now: cookies, storage, its document, its history. */
  scriptable(): Promise<string>
  /** That, and what went over the network and to the console since the watch began. */
  everything(): Promise<string>
}

const patienceMs = 2_000
const readable = `(async () => {
  const databases = await Promise.all((await indexedDB.databases()).map(async ({ name }) => new Promise((done) => {
    const opening = indexedDB.open(name)
    opening.onerror = () => done(name)
    opening.onsuccess = () => {
      const stores = [...opening.result.objectStoreNames]
      Promise.all(stores.map((store) => new Promise((got) => {
        const asked = opening.result.transaction(store).objectStore(store).getAll()
        asked.onsuccess = () => got([store, asked.result])
      }))).then((all) => done([name, all]))
    }
  })))
  const caches_ = await Promise.all((await caches.keys()).map(async (name) => [name, (await (await caches.open(name)).keys()).map((r) => r.url)]))
  const globals = Object.getOwnPropertyNames(window).filter((name) => typeof window[name] === 'string').map((name) => [name, window[name]])
  return JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, databases, caches_, globals, history.state,
    location.href, document.referrer, document.documentElement.outerHTML, performance.getEntries().map((e) => e.name)])
})()`

export function watchPage(page: Page): PageWatch {
  const seen: string[] = []
  const pending: Promise<void>[] = []
  const note = (...texts: readonly string[]): void => void seen.push(...texts)
  page.on('console', (message) => note(message.text()))
  page.on('pageerror', (error) => note(String(error.stack)))
  page.on('framenavigated', (frame) => note(frame.url()))
  page.on('request', (request) => note(request.url(), request.postData() ?? ''))
  page.on('response', (response) => {
    const reading = Promise.all([response.allHeaders(), response.text().catch(() => '')])
    pending.push(reading.then(([headers, body]) => note(response.url(), JSON.stringify(headers), body)))
  })
  const scriptable = async (): Promise<string> => await page.evaluate<string>(readable)
  return {
    scriptable,
    async everything() {
      // An answer that was broken off has no end to wait for.
      await Promise.race([Promise.allSettled(pending), new Promise((resolve) => setTimeout(resolve, patienceMs))])
      return [...seen, await scriptable()].join('\n')
    },
  }
}
