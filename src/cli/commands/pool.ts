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
import { type LibvirtOptions, libvirtCommand, withLibvirt } from '../local/libvirt-command.ts'
import { addVerbs } from '../local/libvirt-verbs.ts'
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
        ({ pool, did }) => [`pool ${pool}: ${did}`],
      ),
    )
  addVerbs(pool, {
    kind: 'pool',
    stop: 'let it rest; what lies in it stays',
    delete: 'let libvirt forget it; what lies in it stays',
    deleted: 'forgotten; what lies in it stays',
    switch: switchPool,
    setAutostart: autostartPool,
    remove: deletePool,
  })
}

function placeOf(name: string, { dir, volumeGroup }: CreateOptions): PoolPlace {
  if (dir !== undefined && volumeGroup === undefined) return { kind: 'dir', path: dir }
  if (volumeGroup !== undefined && dir === undefined) return { kind: 'logical', volumeGroup }
  throw new InfraError('invalid', `pool ${name}: where is it?`, {
    subject: name,
    hint: 'say one of --dir PATH and --volume-group NAME',
  })
}
