import { hashPassword, passwordProblem, type Store } from '@arctos/authorization-server'
import type { Command } from 'commander'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, readSecret, report, table } from '../terminal.ts'
import { registerUserToken } from './api-key.ts'
import { storeCommand } from './options.ts'

export function registerUser(program: Command): void {
  const user = program.command('user').description('local accounts')

  storeCommand(user, 'create', 'add an account; the password comes from a pipe, a prompt or @FILE')
    .argument('<username>')
    .argument('[password]', '@FILE')
    .action(async (username: string, password: string | undefined, options: RawOptions) => {
      const passwordHash = await newPasswordHash(username, password)
      const created = await withStore(
        options,
        (store) => store.createUser({ username, passwordHash, actor: operator }),
        {
          mayCreate: true,
        },
      )
      if (created.outcome !== 'created') throw new CommandError(`there is a user ${username} already`)
      report(Boolean(options['json']), { id: created.id, username }, [`created ${username} (${created.id})`])
    })

  storeCommand(user, 'list', 'list accounts').action(async (options: RawOptions) => {
    const users = await withStore(options, (store) => store.listUsers(undefined))
    const shown = users.map(({ id, username, disabledAt, createdAt }) => ({
      id,
      username,
      disabled: disabledAt !== undefined,
      createdAt,
    }))
    const rows = shown.map((each) => [
      each.username,
      each.id,
      each.disabled ? 'disabled' : 'active',
      iso(each.createdAt),
    ])
    report(Boolean(options['json']), shown, table(['user', 'id', 'state', 'created'], rows))
  })

  storeCommand(user, 'disable', 'end what an account can do, at once')
    .argument('<username>')
    .option('--enable', 'let it sign in again')
    .action(async (username: string, options: RawOptions) => {
      const disabled = options['enable'] !== true
      await withStore(options, async (store) => {
        await store.changeUser({ id: await idOf(store, username), disabled, actor: operator })
      })
      report(Boolean(options['json']), { username, disabled }, [`${username} is ${disabled ? 'disabled' : 'enabled'}`])
    })

  storeCommand(user, 'password', 'set a new password; it ends the sessions and grants of the account')
    .argument('<username>')
    .argument('[password]', '@FILE')
    .action(async (username: string, password: string | undefined, options: RawOptions) => {
      const passwordHash = await newPasswordHash(username, password)
      await withStore(options, async (store) => {
        await store.changeUser({ id: await idOf(store, username), passwordHash, actor: operator })
      })
      report(Boolean(options['json']), { username }, [`changed the password of ${username}`])
    })

  registerUserToken(user)
}

/** The rule for passwords is one, whoever sets them. */
async function newPasswordHash(username: string, argument: string | undefined): Promise<string> {
  const password = (await readSecret('password', argument)).reveal()
  const problem = passwordProblem(password, username)
  if (problem !== undefined) throw new CommandError(problem)
  return await hashPassword(password)
}

async function idOf(store: Store, username: string): Promise<string> {
  const user = await store.readUserByName(username)
  if (user === undefined) throw new CommandError(`there is no user ${username}`)
  return user.id
}
