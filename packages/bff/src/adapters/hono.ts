import type { Bff } from '../bff.ts'

/** The part of Hono's context that is used. */
interface Context {
  readonly req: { readonly raw: Request }
}

type Middleware = (context: Context, next: () => Promise<void>) => Promise<Response | undefined>

/** Answers what is the BFF's and hands on the rest: `app.use(bffMiddleware(bff))`, before whatever reads bodies. */
export function bffMiddleware(bff: Bff): Middleware {
  return async ({ req }, next) => {
    const response = await bff.handle(req.raw)
    if (response === undefined) await next()
    return response
  }
}
