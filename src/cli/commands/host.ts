/** `baton host check|prepare`: a machine looked at, and made ready to carry guests or a director. */
import { type Command, Option } from 'commander'
import { within } from '../../deadline.ts'
import { prepareHost } from '../../hosts/prepare/carry-out.ts'
import { planPreparation } from '../../hosts/prepare/plan.ts'
import { checkSurvey, type Role, roles } from '../../hosts/survey/checks.ts'
import { surveyHost } from '../../hosts/survey/survey.ts'
import { type Context, runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { type NamedHostOptions, openNamedHost } from '../local/named-host.ts'
import { show } from '../output.ts'
import { type HostCheckJson, hostCheckView, preparationView } from '../views/host.ts'

type CheckOptions = NamedHostOptions & { readonly as?: Role; readonly json?: true }
type PrepareOptions = NamedHostOptions & {
  readonly as: Role
  readonly dryRun?: true
  readonly json?: true
  readonly timeout: number
  readonly dom0Memory: string
  readonly dom0Vcpus: number
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
  const survey = await surveyHost(host, deadline)
  const dom0 = { memory: options.dom0Memory, vcpus: options.dom0Vcpus }
  const steps = planPreparation(survey, options.as, dom0)
  const isDry = options.dryRun === true
  show(output, options.json === true, { host: named, role: options.as, isDry, steps }, preparationView)
  if (isDry) return exitCodes.ok
  await prepareHost(host, steps, { ...deadline, onStep: (text) => output.note([text]) })
  return exitCodes.ok
}
