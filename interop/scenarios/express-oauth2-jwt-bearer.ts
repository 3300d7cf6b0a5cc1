import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import { listen } from '../support/listening.ts'
import { verifierScenario } from '../support/verifier.ts'

export const scenario = verifierScenario('express-oauth2-jwt-bearer', async ({ env }) => async (token, audience) => {
  const app = express()
  // Else every refusal is printed as a fault.
  app.set('env', 'test')
  // `strict` holds the token to RFC 9068, `typ` included.
  app.use(auth({ issuerBaseURL: env.ISSUER, audience, tokenSigningAlg: 'ES256', strict: true }))
  app.get('/', (request, response) => {
    // Another package here gives `request.auth` another type.
    const { auth: given } = request as { auth?: { payload?: unknown } }
    response.json(given?.payload)
  })
  const { origin, close } = await listen(app)
  try {
    const answer = await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.headers.get('www-authenticate')}`)
    return (await answer.json()) as Readonly<Record<string, unknown>>
  } finally {
    await close()
  }
})
