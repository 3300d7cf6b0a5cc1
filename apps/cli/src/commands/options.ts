import type { Command } from 'commander'
import { type ConfigurationKey, flagsFor } from '../configuration.ts'

/** Adds the flags for these keys of the configuration. */
export function withConfiguration(command: Command, keys: readonly ConfigurationKey[]): Command {
  for (const { flag, meaning } of flagsFor(keys)) command.option(flag, meaning)
  return command.option('--config <FILE>', 'YAML file with the same keys (ARCTOS_CONFIG)')
}

/** A command that works on the store, and needs these keys of the configuration besides. */
export function storeCommand(
  parent: Command,
  name: string,
  description: string,
  keys: readonly ConfigurationKey[] = [],
): Command {
  const command = parent.command(name).description(description)
  return withConfiguration(command, ['dataDir', 'database', ...keys]).option('--json', 'print JSON')
}

/** A command of somebody at a terminal, on the session that they have under some name. */
export function sessionCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--name <NAME>', 'which of several sessions (ARCTOS_PROFILE); default is "default"')
}

/** Gathers a repeatable option. */
export function gather(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}
