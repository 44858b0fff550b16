/** What is done by name to a thing that libvirt keeps beside guests: a pool and a network have the same five verbs. */
import type { Command } from 'commander'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { type LibvirtOptions, libvirtCommand, withLibvirt } from './libvirt-command.ts'

type CallOptions = { readonly signal: AbortSignal }

type Change<T> = (connection: Connection, name: string, wanted: T, options: CallOptions) => Promise<void>

export type Kept = {
  readonly kind: 'pool' | 'network'
  /** What `stop` and `delete` do to it, in the words of their help. */
  readonly stop: string
  readonly delete: string
  /** What is said of it when it is deleted. */
  readonly deleted: string
  readonly switch: Change<'active' | 'inactive'>
  readonly setAutostart: Change<boolean>
  readonly remove: Verb['change']
}

type Verb = {
  readonly verb: string
  readonly description: string
  readonly did: string
  readonly change: (connection: Connection, name: string, options: CallOptions) => Promise<void>
}

/** Adds `start`, `stop`, `delete`, `autostart` and `no-autostart`. */
export function addVerbs(parent: Command, kept: Kept): void {
  for (const { verb, description, did, change } of verbsOf(kept))
    libvirtCommand(parent, verb, description)
      .argument(`<${kept.kind}>`, `a name as \`baton ${kept.kind} list\` shows it`)
      .action((name: string, options: LibvirtOptions) =>
        withLibvirt(
          options,
          async (call) => {
            await change(call.connection, name, call.options)
            return { [kept.kind]: name, did }
          },
          () => [`${kept.kind} ${name}: ${did}`],
        ),
      )
}

function verbsOf(kept: Kept): readonly Verb[] {
  return [
    {
      verb: 'start',
      description: 'let it be active',
      did: 'active',
      change: (connection, name, options) => kept.switch(connection, name, 'active', options),
    },
    {
      verb: 'stop',
      description: kept.stop,
      did: 'inactive',
      change: (connection, name, options) => kept.switch(connection, name, 'inactive', options),
    },
    { verb: 'delete', description: kept.delete, did: kept.deleted, change: kept.remove },
    {
      verb: 'autostart',
      description: 'let it be active whenever libvirt starts',
      did: 'starts with libvirt',
      change: (connection, name, options) => kept.setAutostart(connection, name, true, options),
    },
    {
      verb: 'no-autostart',
      description: 'let it be started by hand',
      did: 'started by hand',
      change: (connection, name, options) => kept.setAutostart(connection, name, false, options),
    },
  ]
}
