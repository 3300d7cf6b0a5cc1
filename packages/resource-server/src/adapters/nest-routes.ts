import type { Route } from '../routes.ts'
import { declaredOn } from './nest-declaration.ts'

/** The part of an application of Nest that is used; it keeps the container from the eyes of TypeScript. */
interface Application {
  readonly container: {
    getModules(): ReadonlyMap<unknown, { readonly controllers: ReadonlyMap<unknown, { readonly metatype?: unknown }> }>
  }
}

/** What `reflect-metadata`, which Nest needs, adds to `Reflect`. */
type GetMetadata = (name: string, target: object) => unknown

/** The numbers of Nest's `RequestMethod`, in their order. */
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', '*', 'OPTIONS', 'HEAD', 'SEARCH']

/**
 * Every route of the controllers of an initialized application, with what `@Protect` or `@Open` says. Paths are those of the
 * decorators, without a global prefix.
 */
export function routesOf(app: object): readonly Route[] {
  const modules = [...(app as Application).container.getModules().values()]
  const controllers = modules.flatMap((each) => [...each.controllers.values()].map(({ metatype }) => metatype))
  return [...new Set(controllers)].flatMap((each) => (typeof each === 'function' ? routesOfController(each) : []))
}

function routesOfController(controller: { readonly prototype?: object; readonly name: string }): Route[] {
  const { getMetadata } = Reflect as unknown as { readonly getMetadata: GetMetadata }
  const prefixes = paths(getMetadata('path', controller))
  return handlersOf(controller.prototype ?? null).flatMap((handler) => {
    const method = getMetadata('method', handler)
    if (typeof method !== 'number') return []
    const suffixes = paths(getMetadata('path', handler))
    return prefixes.flatMap((prefix) =>
      suffixes.map((suffix) => ({
        method: methods[method] ?? String(method),
        path: `/${[prefix, suffix].filter((part) => part !== '').join('/')}`,
        policy: (declaredOn(handler) ?? declaredOn(controller))?.rule,
      })),
    )
  })
}

/** The methods of a controller, also those that it inherits; its own come first and hide others of their name. */
function handlersOf(prototype: object | null): object[] {
  const handlers = new Map<string, object>()
  for (let at = prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor' && !handlers.has(name)) handlers.set(name, value)
    }
  }
  return [...handlers.values()]
}

function paths(value: unknown): string[] {
  return [value].flat().map((path) => String(path ?? '').replace(/^\/+|\/+$/g, ''))
}
