import { accessOf } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/express'
import express, { type RequestHandler } from 'express'
import { guardScenario } from '../support/guarded.ts'
import { listen } from '../support/listening.ts'

const showSubject: RequestHandler = (request, response) => void response.json({ subject: accessOf(request).subject })

export const scenario = guardScenario('express', async (api) => {
  const app = express()
  app.use(protectedResourceMetadata(api))
  app.get('/read', protect(api, { scope: 'read' }), showSubject)
  // In a router of its own: there the framework cuts the path that handlers see.
  const writing = express.Router()
  writing.get('/', protect(api, { scope: 'write' }), showSubject)
  app.use('/write', writing)
  return await listen(app)
})
