import 'reflect-metadata'
import { All, Controller, Get, Module, Req } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { accessGuard, Open, Protect, protectedResourceMetadata, routesOf } from '../../src/adapters/nest.ts'
import { accessOf } from '../../src/index.ts'
import { type Answered, type Api, type App, serve } from './app.ts'

/** Node reads no decorators, so they are called as what they are: functions. */
function decorate(prototype: object, name: string, ...decorators: readonly MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
  for (const decorator of decorators) decorator(prototype, name, descriptor ?? {})
}

export async function nestApp(api: Api): Promise<App> {
  class NotesController {
    read(request: { readonly body?: Partial<Answered> }): Answered {
      return { subject: accessOf(request).subject, note: request.body?.note }
    }
    write(request: object): Answered {
      return this.read(request)
    }
    open(): string {
      return 'open'
    }
    forgotten(): string {
      return 'open'
    }
  }
  const { prototype } = NotesController
  decorate(prototype, 'read', All('read'), Protect(api, { scope: 'read' }))
  decorate(prototype, 'write', All('write'), Protect(api, { scope: 'write' }))
  decorate(prototype, 'open', Get('open'), Open())
  decorate(prototype, 'forgotten', Get('forgotten'))
  Req()(prototype, 'read', 0)
  Req()(prototype, 'write', 0)
  Controller()(NotesController)
  class AppModule {}
  Module({ controllers: [NotesController] })(AppModule)

  const nest = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false, abortOnError: false })
  nest.use(protectedResourceMetadata(api))
  nest.useGlobalGuards(accessGuard)
  await nest.init()
  const app = await serve(nest.getHttpAdapter().getInstance(), routesOf(nest))
  return {
    ...app,
    async close() {
      await app.close()
      await nest.close()
    },
  }
}
