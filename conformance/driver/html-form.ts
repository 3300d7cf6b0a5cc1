import type { JsonObject } from './http.ts'

/** A form as a browser without scripts sees it. */
export interface HtmlForm {
  readonly action: string
  readonly method: 'GET' | 'POST'
  readonly fields: readonly Field[]
  readonly buttons: readonly Field[]
}

/** A control that has a name; its value as the page gave it. */
export interface Field {
  readonly name: string
  readonly value: string
}

type Attributes = Readonly<Record<string, string>>

const attributesPattern = `((?:[^>"']|"[^"]*"|'[^']*')*)`
const formPattern = new RegExp(`<form\\b${attributesPattern}>(.*?)</form>`, 'gis')
const controlPattern = new RegExp(`<(input|button)\\b${attributesPattern}>`, 'gis')
const attributePattern = /([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/gs
const buttonTypes = ['submit', 'image', 'button', 'reset']

/** The forms of a page. Enough of HTML for plain pages: inputs and buttons, no selects, no scripts. */
export function readForms(page: string): readonly HtmlForm[] {
  return [...page.matchAll(formPattern)].map(([, attributes = '', content = '']) => {
    const { action = '', method = 'get' } = readAttributes(attributes)
    const controls = [...content.matchAll(controlPattern)].map(([, tag = '', text = '']) => {
      const control: JsonObject & Attributes = readAttributes(text)
      const type = control['type'] ?? (tag.toLowerCase() === 'button' ? 'submit' : 'text')
      return { type, isChosen: 'checked' in control || !/^(checkbox|radio)$/.test(type), ...control }
    })
    const named = controls.map(({ type, isChosen, ...control }) => {
      const { name = '', value = '' }: Attributes = control
      return { type, isChosen, name, value }
    })
    return {
      action,
      method: method.toUpperCase() === 'POST' ? 'POST' : 'GET',
      fields: named.filter(({ type, isChosen, name }) => isChosen && name !== '' && !buttonTypes.includes(type)),
      buttons: named.filter(({ type, name }) => type === 'submit' && name !== ''),
    }
  })
}

function readAttributes(text: string): Attributes {
  const attributes: Record<string, string> = {}
  for (const [, name = '', double, single, bare] of text.matchAll(attributePattern)) {
    attributes[name.toLowerCase()] = decodeEntities(double ?? single ?? bare ?? '')
  }
  return attributes
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name] ?? whole
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}
