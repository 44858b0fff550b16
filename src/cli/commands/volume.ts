/** `baton volume`: the volumes of a libvirt storage pool. */
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import { addVolume, cloneVolume, listVolumes, removeVolume, resizeVolume } from '../../guests/libvirt/volumes.ts'
import { type LibvirtOptions, libvirtCommand, readSize, withLibvirt } from '../local/libvirt-command.ts'
import { volumesView } from '../views/libvirt.ts'

/** Copies of large disks take their time. */
const copyMs = 1_800_000

export function register(program: Command): void {
  const volume = program.command('volume').description("the volumes of libvirt's storage pools: disks for guests")
  const inPool = (name: string, description: string, timeoutMs?: number): Command =>
    libvirtCommand(volume, name, description, timeoutMs).argument('<pool>', 'a name as `baton pool list` shows it')
  inPool('list', 'what lies in a pool').action((pool: string, options: LibvirtOptions) =>
    withLibvirt(options, (call) => listVolumes(call.connection, pool, call.options), volumesView),
  )
  inPool('create', 'make one')
    .argument('<volume>', 'its name')
    .argument('[size]', 'such as 8G; left out, that of its backing volume')
    .option('--format <format>', 'qcow2 or raw', 'qcow2')
    .option('--backing <volume>', 'hold only what differs from this volume of the pool, or from this file')
    .action((pool: string, name: string, size: string | undefined, options: CreateOptions) =>
      withLibvirt(
        options,
        (call) =>
          addVolume(
            call.connection,
            {
              pool,
              name,
              format: formatOf(name, options.format),
              ...(size === undefined ? {} : { sizeBytes: readSize(size) }),
              ...(options.backing === undefined ? {} : { backing: options.backing }),
            },
            call.options,
          ),
        (made) => [`made ${made.path}`],
      ),
    )
  inPool('resize', 'give it another size, while no guest runs with it')
    .argument('<volume>', 'its name')
    .argument('<size>', 'such as 16G')
    .option('--shrink', 'also to less than it has: what lies at its end is lost')
    .action((pool: string, name: string, size: string, options: LibvirtOptions & { readonly shrink?: true }) =>
      withLibvirt(
        options,
        (call) => {
          const wish = { pool, name, sizeBytes: readSize(size), shrink: options.shrink === true }
          return resizeVolume(call.connection, wish, call.options)
        },
        ({ path, sizeBytes }) => [`${path} has ${sizeBytes} bytes`],
      ),
    )
  inPool('clone', 'make a copy of one that no guest runs with', copyMs)
    .argument('<volume>', 'its name')
    .argument('<copy>', "the copy's name")
    .action((pool: string, name: string, copy: string, options: LibvirtOptions) =>
      withLibvirt(
        options,
        (call) => cloneVolume(call.connection, { pool, name, copy }, call.options),
        (made) => [`made ${made.path}`],
      ),
    )
  inPool('delete', 'delete one that no guest and no other volume has')
    .argument('<volume>', 'its name')
    .action((pool: string, name: string, options: LibvirtOptions) =>
      withLibvirt(
        options,
        async (call) => {
          await removeVolume(call.connection, { pool, name }, call.options)
          return { pool, volume: name, did: 'deleted' }
        },
        (told) => [`deleted ${told.pool}/${told.volume}`],
      ),
    )
}

type CreateOptions = LibvirtOptions & { readonly format: string; readonly backing?: string }

function formatOf(name: string, text: string): 'qcow2' | 'raw' {
  if (text === 'qcow2' || text === 'raw') return text
  throw new InfraError('invalid', `volume ${name}: ${text} is no format`, { subject: name, hint: 'qcow2 or raw' })
}
