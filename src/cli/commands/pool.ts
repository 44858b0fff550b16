/** `baton pool`: libvirt's storage pools, where volumes lie. */
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import {
  autostartPool,
  createPool,
  deletePool,
  listPools,
  type PoolPlace,
  switchPool,
} from '../../guests/libvirt/pools.ts'
import { type LibvirtCall, type LibvirtOptions, libvirtCommand, withLibvirt } from '../local/libvirt-command.ts'
import { poolsView } from '../views/libvirt.ts'

type CreateOptions = LibvirtOptions & {
  readonly dir?: string
  readonly volumeGroup?: string
  readonly autostart?: true
}

export function register(program: Command): void {
  const pool = program.command('pool').description("libvirt's storage pools: directories and volume groups")
  libvirtCommand(pool, 'list', 'all pools, and what room they have').action((options: LibvirtOptions) =>
    withLibvirt(options, (call) => listPools(call.connection, call.options), poolsView),
  )
  libvirtCommand(pool, 'create', 'make a pool, and let it be active')
    .argument('<pool>', 'its name')
    .option('--dir <path>', 'a directory of the host, made when it is missing')
    .option('--volume-group <name>', 'an LVM volume group that is there')
    .option('--autostart', 'let it be active whenever libvirt starts')
    .action((name: string, options: CreateOptions) =>
      withLibvirt(
        options,
        async (call) => {
          const place = placeOf(name, options)
          await createPool(call.connection, { name, place, autostart: options.autostart === true }, call.options)
          return { pool: name, did: 'created' }
        },
        said,
      ),
    )
  for (const { verb, description, did, change } of changes)
    libvirtCommand(pool, verb, description)
      .argument('<pool>', 'a name as `baton pool list` shows it')
      .action((name: string, options: LibvirtOptions) =>
        withLibvirt(
          options,
          async (call) => {
            await change(call, name)
            return { pool: name, did }
          },
          said,
        ),
      )
}

const said = ({ pool, did }: { readonly pool: string; readonly did: string }): string[] => [`pool ${pool}: ${did}`]

type Change = (call: LibvirtCall, name: string) => Promise<void>

const changes: readonly { verb: string; description: string; did: string; change: Change }[] = [
  {
    verb: 'start',
    description: 'let it be active',
    did: 'active',
    change: ({ connection, options }, name) => switchPool(connection, name, 'active', options),
  },
  {
    verb: 'stop',
    description: 'let it rest; what lies in it stays',
    did: 'inactive',
    change: ({ connection, options }, name) => switchPool(connection, name, 'inactive', options),
  },
  {
    verb: 'delete',
    description: 'let libvirt forget it; what lies in it stays',
    did: 'forgotten; what lies in it stays',
    change: ({ connection, options }, name) => deletePool(connection, name, options),
  },
  {
    verb: 'autostart',
    description: 'let it be active whenever libvirt starts',
    did: 'starts with libvirt',
    change: ({ connection, options }, name) => autostartPool(connection, name, true, options),
  },
  {
    verb: 'no-autostart',
    description: 'let it be started by hand',
    did: 'started by hand',
    change: ({ connection, options }, name) => autostartPool(connection, name, false, options),
  },
]

function placeOf(name: string, { dir, volumeGroup }: CreateOptions): PoolPlace {
  if (dir !== undefined && volumeGroup === undefined) return { kind: 'dir', path: dir }
  if (volumeGroup !== undefined && dir === undefined) return { kind: 'logical', volumeGroup }
  throw new InfraError('invalid', `pool ${name}: where is it?`, {
    subject: name,
    hint: 'say one of --dir PATH and --volume-group NAME',
  })
}
