// What carrying a token adds to a fetch: the same fetch, which answers at once, called with a header and through the client.
import { clientSecretBasic, oauthClient } from '@arctos/client'
import { service, type World } from './world.ts'

const calls = 20_000

/** Microseconds of CPU that one call through the client takes more than the plain one, in each round. */
export async function carryingCosts({ issuer, resource }: World, rounds: number): Promise<readonly number[]> {
  const answer = new Response(null, { status: 204 })
  const instant = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    String(input).startsWith(resource) ? answer : await fetch(input, init)
  const client = oauthClient({
    issuer,
    clientId: service.id,
    auth: clientSecretBasic(service.secret),
    fetch: instant,
  })
  const token = (await client.accessToken({ resource })).reveal()
  const carrying = client.fetch({ resource })
  const plain = (): Promise<Response> =>
    instant(`${resource}/notes`, { headers: new Headers({ authorization: `Bearer ${token}` }) })
  const carried = (): Promise<Response> => carrying('/notes')
  await cpuOf(plain)
  await cpuOf(carried)
  const costs: number[] = []
  while (costs.length < rounds) {
    const without = await cpuOf(plain)
    costs.push((await cpuOf(carried)) - without)
  }
  return costs
}

async function cpuOf(call: () => Promise<Response>): Promise<number> {
  const before = process.cpuUsage()
  for (let count = 0; count < calls; count++) await call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}
