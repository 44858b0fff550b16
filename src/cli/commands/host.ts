/** `baton host check|prepare`: a machine looked at, and made ready to carry guests or a director. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../../cluster/spec/duration.ts'
import type { HostSpec } from '../../cluster/spec/model.ts'
import { within } from '../../deadline.ts'
import { prepareHost } from '../../hosts/prepare/carry-out.ts'
import { type Original, originals } from '../../hosts/prepare/packages.ts'
import { planPreparation, type Wish } from '../../hosts/prepare/plan.ts'
import type { StorageWish } from '../../hosts/prepare/storage.ts'
import { checkSurvey, type Role, roles } from '../../hosts/survey/checks.ts'
import { surveyHost } from '../../hosts/survey/survey.ts'
import { type Context, runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { type NamedHostOptions, openNamedHost, writtenHost } from '../local/named-host.ts'
import { show } from '../output.ts'
import { type HostCheckJson, hostCheckView, type PreparationJson, preparationView } from '../views/host.ts'

type CheckOptions = NamedHostOptions & { readonly as?: Role; readonly json?: true }
type PrepareOptions = NamedHostOptions & {
  readonly as: Role
  readonly dryRun?: true
  readonly json?: true
  readonly timeout: number
  readonly dom0Memory: string
  readonly dom0Vcpus: number
  readonly bridge?: string | false
  readonly uplink?: string
  readonly putBackAfter: number
  readonly volumeGroup?: StorageWish
  readonly directory?: StorageWish
  readonly with?: readonly Original[]
  readonly withoutNetworkManager?: true
}

/** Packages may come over a slow line. */
const prepareMs = 30 * 60_000

const hostHelp = 'a name of the spec, local, or where ssh would go: user@host:port'

export function register(program: Command): void {
  const host = program.command('host').description('look at a machine, and make it ready')
  host
    .command('check')
    .description('what a machine has, and what it lacks')
    .argument('<host>', hostHelp)
    .addOption(new Option('--as <role>', 'what it is to be').choices([...roles]))
    .option('--file <file>', 'the spec that names it (./baton.yaml when left out)')
    .option('--sudo', 'be root there by sudo')
    .option('--json', 'print JSON')
    .action((named: string, options: CheckOptions) => runAction((context) => check(named, options, context)))
  const prepare = host
    .command('prepare')
    .description('install and set up what a machine needs; every step looks first')
    .argument('<host>', hostHelp)
    .addOption(new Option('--as <role>', 'what it is to be').choices([...roles]).makeOptionMandatory())
    .option('--dry-run', 'print every command and file, and change nothing')
    .option('--dom0-memory <size>', 'with xen: the memory of Dom0, such as 2G', '2G')
    .option('--dom0-vcpus <count>', 'with xen: the processors of Dom0', Number, 2)
    .option('--bridge <name>', "make this bridge over the uplink (xen: the spec's, or xenbr0)")
    .option('--no-bridge', 'leave the network as it is')
    .option('--uplink <device>', 'what the bridge is laid over, when it is not the default route')
    .option(
      '--put-back-after <duration>',
      'how long the host waits for a connection over the bridge',
      parsePatience,
      60,
    )
    .option('--without-network-manager', 'turn NetworkManager off, where it has not set the uplink up')
    .option('--volume-group <name=device>', 'make a volume group on an empty device', parseVolumeGroup)
    .option(
      '--directory <path>',
      "make a directory for guests' disks",
      (path) => ({ kind: 'directory', path }) as const,
    )
    .addOption(new Option('--with <tool...>', 'install the original tool, too').choices([...originals]))
    .option('--file <file>', 'the spec that names it (./baton.yaml when left out)')
    .option('--sudo', 'be root there by sudo')
    .option('--json', 'print JSON')
  addTimeoutOption(prepare, prepareMs).action((named: string, options: PrepareOptions) =>
    runAction((context) => makeReady(named, options, context)),
  )
}

async function check(named: string, options: CheckOptions, { signal, output }: Context): Promise<ExitCode> {
  const soon = within(signal, askMs * 4)
  const host = await openNamedHost(named, options, { signal: soon })
  const findings = checkSurvey(named, await surveyHost(host, { signal: soon }), options.as)
  const json: HostCheckJson = { host: named, ok: findings.every(({ level }) => level !== 'fail'), findings }
  show(output, options.json === true, json, hostCheckView)
  return json.ok ? exitCodes.ok : exitCodes.failed
}

async function makeReady(named: string, options: PrepareOptions, { signal, output }: Context): Promise<ExitCode> {
  const deadline = { signal: within(signal, options.timeout) }
  const host = await openNamedHost(named, options, deadline)
  const { volumeGroup, directory } = options
  const survey = await surveyHost(host, {
    ...deadline,
    ...(volumeGroup?.kind === 'volume-group' ? { device: volumeGroup.device } : {}),
    ...(directory?.kind === 'directory' ? { directory: directory.path } : {}),
  })
  const steps = planPreparation(survey, wishOf(options, writtenHost(named, options), survey.bridges))
  const isDry = options.dryRun === true
  const patienceSeconds = options.putBackAfter
  const plan: PreparationJson = { host: named, role: options.as, isDry, patienceSeconds, steps }
  show(output, options.json === true, plan, preparationView)
  if (isDry) return exitCodes.ok
  await prepareHost(host, steps, {
    ...deadline,
    patienceSeconds,
    onStep: (text) => output.note([text]),
    reconnect: (soon) => openNamedHost(named, options, soon),
  })
  return exitCodes.ok
}

/** Xen's guests are on a bridge unless somebody says otherwise; any bridge will do that is there and that nobody has named. */
function wishOf(options: PrepareOptions, written: HostSpec | undefined, there: readonly string[]): Wish {
  const { bridge = written?.bridge ?? (options.as === 'xen' && there.length === 0 ? 'xenbr0' : undefined), uplink } =
    options
  return {
    role: options.as,
    dom0: { memory: options.dom0Memory, vcpus: options.dom0Vcpus },
    ...(bridge === undefined || bridge === false
      ? {}
      : { bridge: { bridge, ...(uplink === undefined ? {} : { uplink }) } }),
    storage: [options.volumeGroup, options.directory].filter((one) => one !== undefined),
    originals: options.with ?? [],
    withoutNetworkManager: options.withoutNetworkManager === true,
    ...(written?.xendomains === undefined ? {} : { xendomains: written.xendomains }),
  }
}

function parseVolumeGroup(text: string): StorageWish {
  const [, name, device] = /^([^=]+)=(\/dev\/.+)$/.exec(text) ?? []
  if (name === undefined || device === undefined)
    throw new InvalidArgumentError('a name and a device are wanted, such as vg0=/dev/sdb')
  return { kind: 'volume-group', name, device }
}

function parsePatience(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds === undefined || milliseconds < 10_000)
    throw new InvalidArgumentError('a duration of 10s or more is wanted')
  return Math.round(milliseconds / 1000)
}
