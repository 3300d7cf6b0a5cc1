// Tries the pages in a real Chromium, without a window: npm run browser [-- --screenshots DIR]
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { openAppSite } from './browser/app-site.ts'
import { appVisits } from './browser/app-visits.ts'
import { findChromium, launchChromium } from './browser/chromium.ts'
import { openSite } from './browser/site.ts'
import { type Visitor, visits } from './browser/visits.ts'

const looks: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light', viewport: { width: 1_000, height: 900 } },
  'dark-phone': { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
}
const patienceMs = 10_000

const { values } = parseArgs({ options: { screenshots: { type: 'string' } } })
const executable = findChromium(process.env)
if (executable === undefined) console.log('skipped: browser tests, as no Chromium is in PATH and CHROMIUM names none')
else process.exitCode = await run(executable, values.screenshots)

/** Makes every visit, in a fresh browser and at a fresh server. Returns the exit code. */
async function run(executable: string, folder: string | undefined): Promise<number> {
  if (folder !== undefined) mkdirSync(folder, { recursive: true })
  const browser = await launchChromium(executable)
  let failed = 0
  try {
    for (const name of Object.keys(visits)) {
      for (const look of folder === undefined ? ['light'] : Object.keys(looks)) {
        const problem = await visit(browser, name, look, folder)
        if (problem !== undefined) failed++
        console.log(problem === undefined ? `ok      ${name} (${look})` : `not ok  ${name} (${look})\n${problem}`)
      }
    }
    for (const name of Object.keys(appVisits)) {
      const problem = await visitApp(browser, name)
      if (problem !== undefined) failed++
      console.log(problem === undefined ? `ok      ${name}` : `not ok  ${name}\n${problem}`)
    }
  } finally {
    await browser.close()
  }
  const pages = Object.keys(visits).length * (folder === undefined ? 1 : Object.keys(looks).length)
  const count = pages + Object.keys(appVisits).length
  console.log(`browser: ${count - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** Makes one visit; returns what was wrong with it. */
async function visit(
  browser: Browser,
  name: string,
  look: string,
  folder: string | undefined,
): Promise<string | undefined> {
  const site = await openSite()
  // Nothing may need a script.
  const context = await browser.newContext({ ...looks[look], javaScriptEnabled: false })
  context.setDefaultTimeout(patienceMs)
  const page = await context.newPage()
  const complaints = listen(page)
  const visitor: Visitor = {
    page,
    site,
    look: async (picture) => {
      const [wide, width] = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]')
      if (wide > width) complaints.push(`the page ${picture} is ${wide} pixels wide, the window ${width}`)
      if (folder !== undefined) await page.screenshot({ path: join(folder, `${picture}-${look}.png`), fullPage: true })
    },
  }
  try {
    await visits[name]?.(visitor)
  } catch (error) {
    complaints.push(`${error instanceof Error ? error.message : error}\nat ${page.url()}`)
  } finally {
    await context.close()
    await site.close()
  }
  return complaints.length === 0 ? undefined : complaints.join('\n')
}

/** A script in a page may wait for ever, and nothing else ends that. */
async function withinMinute(visit: Promise<void> | undefined): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('it took longer than a minute')), 60_000)
  try {
    await Promise.race([visit, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Makes one visit to an application of which pages call APIs; returns what was wrong with it. */
async function visitApp(browser: Browser, name: string): Promise<string | undefined> {
  const site = await openAppSite()
  // The certificate is of this run's making.
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  context.setDefaultTimeout(patienceMs)
  const page = await context.newPage()
  try {
    await withinMinute(appVisits[name]?.({ context, page, site }))
    return undefined
  } catch (error) {
    return `${error instanceof Error ? error.stack : error}\nat ${page.url()}`
  } finally {
    await context.close()
    await site.close()
  }
}

/**
 * Collects what the browser complains about: violations of the security policy, errors, scripts that there should be
 * none of.
 */
function listen(page: Page): string[] {
  const complaints: string[] = []
  page.on('console', (message) => {
    // A refused form answers with an error status, and Chromium mentions that.
    if (!message.text().startsWith('Failed to load resource: the server responded')) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`))
  return complaints
}
