import 'reflect-metadata'
import Router from '@koa/router'
import { Controller, Get, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import express from 'express'
import { fastify } from 'fastify'
import { Hono, type MiddlewareHandler } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as expressAdapter from '../src/adapters/express.ts'
import * as fastifyAdapter from '../src/adapters/fastify.ts'
import * as honoAdapter from '../src/adapters/hono.ts'
import * as koaAdapter from '../src/adapters/koa.ts'
import * as nestAdapter from '../src/adapters/nest.ts'
import { type Route, requirePolicy } from '../src/index.ts'
import { askOverHttp, serve } from './apps/app.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
let guard: Guard
beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
})
afterAll(() => issuer.close())

const scopeRead = { scope: 'read' } as const
const scopeWrite = { scope: 'write' } as const

/** `GET /notes read`, one line for each route. */
function lines(routes: readonly Route[]): string[] {
  return routes.map(({ method, path, policy }) => {
    const word = typeof policy === 'object' ? (policy.scope ?? 'any token') : (policy ?? 'nothing')
    return `${method} ${path} ${word}`
  })
}

describe('the routes of Express', () => {
  const { open, protect, routesOf } = expressAdapter
  const handler = (): void => {}

  it('are found in routers in routers', () => {
    const app = express()
    const inner = express.Router().get('/:id', protect(guard, scopeRead), handler).post('/', handler)
    const outer = express.Router()
    outer.use('/notes', inner)
    app.use('/api', outer)
    expect(lines(routesOf(app))).toEqual(['GET /api/notes/:id read', 'POST /api/notes nothing'])
  })

  it('have the guard that is mounted before them, on a path that leads to them', () => {
    const app = express()
    app.get('/before', handler)
    app.use('/admin', protect(guard, scopeWrite))
    app.get('/admin/users', handler)
    app.get('/administrators', handler)
    app.use(protect(guard))
    app.get('/after', handler)
    app.get('/nearer', protect(guard, scopeRead), handler)
    expect(lines(routesOf(app))).toEqual([
      'GET /before nothing',
      'GET /admin/users write',
      'GET /administrators nothing',
      'GET /after any token',
      'GET /nearer read',
    ])
  })

  it('differ by method', () => {
    const app = express()
    app.route('/notes').get(open(), handler).post(protect(guard, scopeWrite), handler).put(handler)
    expect(lines(routesOf(app))).toEqual(['GET /notes open', 'POST /notes write', 'PUT /notes nothing'])
  })

  it('are not opened by a word inside a guard, nor guarded by one behind the handler', () => {
    const app = express()
    app.get('/inside', protect(guard, scopeRead), open(), handler)
    app.get('/behind', handler, protect(guard, scopeRead))
    expect(lines(routesOf(app))).toEqual(['GET /inside read', 'GET /behind nothing'])
  })

  it('tell their whole path in a report, wherever the router is mounted', async () => {
    const reported: string[] = []
    const told = guardOf(issuer, { onRefusal: ({ path }) => void reported.push(path) })
    const app = express().use('/api', express.Router().use('/notes', protect(told), handler))
    const { ask, close } = await serve(app)
    await ask({ path: '/api/notes/7?page=1' })
    await close()
    expect(reported).toEqual(['/api/notes/7'])
  })

  it('are not guarded for all methods by guards for all', () => {
    const app = express()
    app.route('/notes').all(protect(guard, scopeRead)).get(handler)
    app.route('/parsed').all(express.json(), protect(guard, scopeRead)).get(handler)
    expect(lines(routesOf(app))).toEqual(['GET /notes read', '* /parsed nothing', 'GET /parsed read'])
  })

  it('are also what is mounted and answers everything', () => {
    const app = express()
    app.use(express.json())
    app.use('/part', express().get('/notes', handler))
    app.use('/guarded', protect(guard, scopeRead), express())
    app.use((_request, response) => void response.end())
    expect(lines(routesOf(app))).toEqual(['* /part nothing', '* /guarded read', '* / nothing'])
  })

  it('are not guarded by what some spellings of their path do not meet', () => {
    const app = express()
    app.set('case sensitive routing', true)
    app.use(['/Notes', '/Both'], protect(guard, scopeRead))
    app.get('/Notes/exact', handler)
    app.use(express.Router().get('/Notes/any', handler))
    app.use('/Both', express.Router().get('/any', handler))
    app.use(/^\/pattern/g, protect(guard, scopeRead))
    app.get(/^\/pattern/g, handler)
    expect(lines(routesOf(app))).toEqual([
      'GET /Notes/exact read',
      'GET /Notes/any nothing',
      'GET /Both/any read',
      'GET /^\\/pattern/g nothing',
    ])
  })

  it('are none where there is no router yet', () => {
    expect(routesOf({})).toEqual([])
  })
})

describe('the routes of Hono', () => {
  it('have the guards before them, also in a mounted application with its own errors', () => {
    const { open, protect, routesOf } = honoAdapter
    const app = new Hono()
    app.get('/before', (context) => context.text(''))
    app.use('/notes/*', protect(guard, scopeRead))
    app.get('/notes', (context) => context.text(''))
    app.get('/notes/:id', (context) => context.text(''))
    const inner = new Hono().onError((_error, context) => context.text('', 500))
    inner.post('/', protect(guard, scopeWrite), (context) => context.text(''))
    inner.get('/', open(), (context) => context.text(''))
    inner.put('/', (context) => context.text(''))
    app.route('/inner', inner)
    expect(lines(routesOf(app))).toEqual([
      'GET /before nothing',
      'GET /notes read',
      'GET /notes/:id read',
      'POST /inner write',
      'GET /inner open',
      'PUT /inner nothing',
    ])
  })
})

describe('a handler of Hono that takes next', () => {
  it('is listed where it stands last for its method and path', () => {
    const { protect, routesOf } = honoAdapter
    const app = new Hono()
    const pass: MiddlewareHandler = async (_context, next) => next()
    app.use('/notes/*', pass)
    app.get('/notes', pass, (context) => context.text(''))
    app.get('/files', pass, pass)
    app.post('/files', protect(guard, scopeWrite), pass)
    app.get('/unserved', protect(guard, scopeRead))
    expect(lines(routesOf(app))).toEqual(['GET /notes nothing', 'GET /files nothing', 'POST /files write'])
  })
})

describe('the routes of Koa', () => {
  it('have the guards of the application, of their router and their own', () => {
    const { open, protect, routesOf } = koaAdapter
    const handler = (): void => {}
    const app = new Koa()
    const first = new Router({ prefix: '/first' })
    first.get('/open', open(), handler).post('/forgotten', handler)
    first.use(protect(guard, scopeRead))
    first.get('/notes/:id', handler)
    const second = new Router().get('/second', handler)
    second.get('/behind', handler, protect(guard, scopeRead))
    app.use(first.routes()).use(protect(guard, scopeWrite)).use(second.routes())
    expect(lines(routesOf(app))).toEqual([
      'GET /first/open open',
      'POST /first/forgotten nothing',
      'GET /first/notes/:id read',
      'GET /second write',
      'GET /behind write',
    ])
  })
})

describe('a guard that some requests of a Koa route do not meet', () => {
  const { protect, routesOf } = koaAdapter
  const handler = (): void => {}
  const linesOf = (router: Router): string[] => lines(routesOf(new Koa().use(router.routes())))

  it('does not count in a router that runs one of its layers', () => {
    const router = new Router({ exclusive: true }).use(protect(guard, scopeRead)).get('/notes', handler)
    router.get('/own', protect(guard, scopeRead), handler)
    expect(linesOf(router)).toEqual(['GET /notes nothing', 'GET /own read'])
  })

  it('does not count where the path is matched in other cases', () => {
    const outer = new Router({ sensitive: true }).use('/Notes', protect(guard, scopeRead))
    outer.use(new Router().get('/Notes/:id', handler).routes())
    outer.use(new Router({ sensitive: true }).get('/Notes', handler).routes())
    expect(linesOf(outer)).toEqual(['GET /Notes/:id nothing', 'GET /Notes read'])
  })

  it('does not count where a part of the path may be missing, or is a pattern', () => {
    const router = new Router().use('/:kind/:id', protect(guard, scopeRead)).get('/notes{/:id}', handler)
    router.get('/notes/:id{/parts}', handler).get(/^\/any/, handler)
    router.use(protect(guard, scopeWrite)).get(/^\/all/, handler)
    expect(linesOf(router)).toEqual([
      'GET /notes{/:id} nothing',
      'GET /notes/:id{/parts} read',
      'GET /^\\/any/ nothing',
      'GET /^\\/all/ write',
    ])
  })

  it('does not count before a middleware that is no router and answers everything', () => {
    const router = new Router().use(protect(guard, scopeRead)).get('/notes', handler)
    const app = new Koa()
    app.use(router.routes()).use((_context, next) => next())
    app.use(handler)
    expect(lines(routesOf(app))).toEqual(['GET /notes read', '* (any) nothing'])
  })
})

describe('the routes of Fastify', () => {
  const { guardRoutes, protect } = fastifyAdapter

  it('are guarded by their data, also in plugins, and for HEAD', async () => {
    const app = fastify()
    const routes = guardRoutes(app, guard)
    app.get('/notes', { config: { access: scopeRead } }, async () => 'notes')
    await app.register(async (inner) => {
      inner.post('/inner', { onRequest: [protect(guard, scopeWrite)] }, async () => 'inner')
    })
    await app.ready()
    expect(lines(routes)).toEqual(['GET /notes read', 'HEAD /notes read', 'POST /inner write'])
    const statuses = await Promise.all(
      (['GET', 'HEAD'] as const).map((method) => app.inject({ method, url: '/notes' })),
    )
    expect(statuses.map(({ statusCode }) => statusCode)).toEqual([401, 401])
    await app.close()
  })

  it('have to hold both policies where data and a hook name one', async () => {
    const app = fastify()
    const routes = guardRoutes(app, guard)
    const preHandler = protect(guard, scopeRead)
    app.post('/notes', { preHandler, config: { access: scopeWrite } }, async () => 'notes')
    app.post('/later', { preHandler }, async () => 'later')
    await app.ready()
    expect(lines(routes)).toEqual(['POST /notes read', 'POST /later read'])
    const statusWith = async (scope: string) => {
      const headers = { authorization: `Bearer ${issuer.token({ scope })}` }
      return (await app.inject({ method: 'POST', url: '/notes', headers })).statusCode
    }
    expect([await statusWith('read'), await statusWith('write'), await statusWith('read write')]).toEqual([
      403, 403, 200,
    ])
    await app.close()
  })

  it('keep it from starting while one has no policy', async () => {
    const app = fastify()
    guardRoutes(app, guard)
    app.get('/notes', { config: { access: scopeRead } }, async () => 'notes')
    app.post('/forgotten', async () => 'forgotten')
    await expect(app.ready()).rejects.toThrow('no policy: POST /forgotten; protect each, or declare it open')
    await app.close()
  })

  it('refuse a policy that is none when they are added', () => {
    const app = fastify()
    guardRoutes(app, guard)
    const config = { access: { scope: 'delete' } }
    expect(() => app.get('/notes', { config }, async () => 'notes')).toThrow(/policy: scope is "delete"/)
  })
})

describe('the routes of Nest', () => {
  const { accessGuard, Open, Protect, protectedResourceMetadata, routesOf } = nestAdapter
  /** Node reads no decorators, so they are called as what they are: functions. */
  const decorate = (prototype: object, name: string, ...decorators: readonly MethodDecorator[]): void => {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
    for (const decorator of decorators) decorator(prototype, name, descriptor ?? {})
  }

  class BaseController {
    list(): string {
      return 'list'
    }
    health(): string {
      return 'health'
    }
  }
  class HeirController extends BaseController {
    add(): string {
      return 'add'
    }
  }
  class ForgottenController {
    list(): string {
      return 'list'
    }
  }

  it('keep the word of a method that another decorator wraps', async () => {
    class WrappedController {
      list(): string {
        return 'list'
      }
    }
    const wrap: MethodDecorator = (target, name, descriptor) => {
      const { value } = descriptor as PropertyDescriptor
      const wrapper = (): string => value()
      for (const key of Reflect.getMetadataKeys(value)) {
        Reflect.defineMetadata(key, Reflect.getMetadata(key, value), wrapper)
      }
      Object.defineProperty(target, name, { ...descriptor, value: wrapper })
    }
    decorate(WrappedController.prototype, 'list', Get(), Protect(guard, scopeWrite), wrap)
    Open()(WrappedController)
    Controller('wrapped')(WrappedController)
    class AppModule {}
    Module({ controllers: [WrappedController] })(AppModule)
    const nest = await NestFactory.create(AppModule, { logger: false, abortOnError: false })
    nest.useGlobalGuards(accessGuard)
    await nest.init()
    expect(lines(routesOf(nest))).toEqual(['GET /wrapped write'])
    const { origin = '', close } = await serve(nest.getHttpAdapter().getInstance())
    expect(await askOverHttp(origin, { path: '/wrapped' })).toMatchObject({ status: 401 })
    await close()
    await nest.close()
  })

  it('have the word of the method, else of the class, also of one that it extends; without any, nobody comes in', async () => {
    decorate(BaseController.prototype, 'list', Get())
    decorate(BaseController.prototype, 'health', Get('health'), Open())
    decorate(HeirController.prototype, 'add', Post('/add'), Protect(guard, scopeWrite))
    decorate(ForgottenController.prototype, 'list', Get())
    Protect(guard, scopeRead)(BaseController)
    Controller('base')(BaseController)
    Controller(['heir', '/second'])(HeirController)
    Controller('forgotten')(ForgottenController)
    class AppModule {}
    Module({ controllers: [BaseController, HeirController, ForgottenController] })(AppModule)
    const nest = await NestFactory.create(AppModule, { logger: false, abortOnError: false })
    nest.use(protectedResourceMetadata(guard))
    nest.useGlobalGuards(accessGuard)
    await nest.init()

    const routes = routesOf(nest)
    expect(lines(routes).sort()).toEqual(
      [
        'GET /base read',
        'GET /base/health open',
        'POST /heir/add write',
        'GET /heir read',
        'GET /heir/health open',
        'POST /second/add write',
        'GET /second read',
        'GET /second/health open',
        'GET /forgotten nothing',
      ].sort(),
    )
    expect(() => requirePolicy(routes)).toThrow('no policy: GET /forgotten; protect each, or declare it open')

    const { origin = '', close } = await serve(nest.getHttpAdapter().getInstance())
    const paths = ['/base', '/base/health', '/heir', '/heir/health', '/forgotten']
    const answers = await Promise.all(paths.map((path) => askOverHttp(origin, { path })))
    expect(answers.map(({ status }) => status)).toEqual([401, 200, 401, 200, 500])
    await close()
    await nest.close()
  })
})

it('misses routes where there are none, as of what is no application', () => {
  expect(() => requirePolicy(expressAdapter.routesOf({}))).toThrow('no routes: list those of the application')
})
