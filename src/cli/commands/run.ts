/** `baton run`: a guest of nobody's cluster, with a disc in its drive and an empty disk to install on. */
import { basename, resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { GuestDefinition, GuestNetwork, HypervisorName } from '../../guests/hypervisor.ts'
import { imageStore } from '../../guests/images/store.ts'
import { openHypervisor } from '../../guests/open.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { listGuests, openMachine } from '../local/machine.ts'
import { readBytes, readCount } from '../local/machine-size.ts'
import { type SeedWords, writtenSeed } from '../local/written-seed.ts'
import { show } from '../output.ts'
import { openWorkingLine } from '../progress/working-line.ts'

type Options = SeedWords & {
  readonly cdrom?: string
  readonly name?: string
  readonly disk: number
  readonly memory: number
  readonly vcpus: number
  readonly bridge?: string
  readonly forward: readonly number[]
  readonly hypervisor: HypervisorName
  readonly timeout: number
  readonly json?: true
}

const gibibyte = 1024 ** 3
/** A disc is copied first, and some are large. */
const runMs = 30 * 60_000

export function register(program: Command): void {
  const command = program
    .command('run')
    .description('make a guest that boots from a disc while nothing on its own disk boots, and start it')
    .option('--cdrom <iso>', 'the disc, such as that of an installer; it has to be there')
    .option('--name <name>', 'what it is called; by the name of the disc when left out')
    .option('--disk <size>', 'its empty disk', readBytes, 10 * gibibyte)
    .option('--memory <size>', 'such as 1024M', readBytes, gibibyte)
    .option('--vcpus <number>', 'its processors', readCount, 1)
    .option('--bridge <bridge>', 'a card on this bridge; a user network when left out')
    .option('--forward <port>', 'a port of the guest that is reached through the host; may be repeated', addPort, [])
    .option('--user-data <file>', 'for an installer or a system with cloud-init: its user data')
    .option('--network-config <file>', 'for cloud-init, beside user data')
    .addOption(new Option('--hypervisor <name>', 'what runs it').choices(['qemu', 'libvirt', 'xen']).default('qemu'))
    .option('--json', 'print JSON')
  addTimeoutOption(command, runMs).action((options: Options) => run(options))
}

function run(options: Options): Promise<void> {
  return runAction(async ({ signal: stop, output }) => {
    const { json, timeout, hypervisor: kind } = options
    const signal = within(stop, timeout)
    // Looked for here: an option that is misspelt is to be named before one that is missing.
    if (options.cdrom === undefined)
      throw new InfraError('invalid', 'run: --cdrom is missing', { subject: 'run', hint: 'baton run --cdrom ISO' })
    const path = resolve(options.cdrom)
    const name = options.name ?? nameOf(path)
    const seed = writtenSeed(options)
    await using machine = await openMachine({ signal: within(stop, askMs) })
    if ((await listGuests(machine, { signal })).some(({ guest }) => guest.definition.name === name))
      throw new InfraError('already-exists', `run: there is a guest ${name}`, { subject: name, hint: 'give --name' })
    using line = openWorkingLine(name, output)
    const store = imageStore(machine.host)
    const image = await store.build(basename(path), { kind: 'iso', path }, { signal, onProgress: line.say })
    const definition: GuestDefinition = {
      name,
      memoryBytes: options.memory,
      vcpus: options.vcpus,
      image: image.digest,
      boot: { kind: 'disk', disc: image.disc ?? path },
      disks: [{ sizeBytes: options.disk }],
      ...(seed === undefined ? {} : { seed }),
      network: networkOf(options),
      autostart: false,
    }
    await using hypervisor = openHypervisor(kind, machine.host)
    await hypervisor.define(definition, { signal })
    await hypervisor.start(name, { signal }).catch(async (error: unknown) => {
      await hypervisor.undefine(name, { signal: AbortSignal.timeout(askMs) })
      throw error
    })
    line[Symbol.dispose]()
    show(output, json === true, { guest: name, image: image.digest }, ({ guest }) => [
      `${guest} runs: baton console ${guest} is its serial line, baton screenshot ${guest} its screen`,
    ])
    return undefined
  })
}

function networkOf({ bridge, forward }: Options): GuestNetwork {
  if (bridge === undefined)
    return { kind: 'user', forwards: forward.map((port) => ({ protocol: 'tcp', port }) as const) }
  if (forward.length === 0) return { kind: 'bridge', bridge }
  throw new InfraError('invalid', 'run: --forward is for a user network: on a bridge the guest has its own address', {
    subject: bridge,
    hint: 'leave out --forward or --bridge',
  })
}

/** `debian-12.5.0-amd64-netinst.iso` makes `debian-12.5.0-amd64-netinst`. */
function nameOf(path: string): string {
  return basename(path)
    .replace(/\.iso$/i, '')
    .replaceAll(/[^a-zA-Z0-9._-]/g, '-')
    .replaceAll(/^[^a-zA-Z0-9]+|[^a-zA-Z0-9]+$/g, '')
    .slice(0, 60)
}

function addPort(text: string, ports: readonly number[]): readonly number[] {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('a port from 1 to 65535 is wanted')
  return [...ports, port]
}
