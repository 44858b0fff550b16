/** ldirectord's work in the director's own process: `baton director --config ldirectord.cf`. */
import type { DirectorControl } from '../../director/control.ts'
import { InfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Commands, changeOthers, runOthers } from './duties/commands.ts'
import { openCompany } from './duties/company.ts'
import { logTarget } from './duties/log-line.ts'
import { type MovableLog, openMovableLog } from './duties/log-sink.ts'
import { openMailer } from './duties/mailer.ts'
import type { WorkPlan } from './duties/plan.ts'

type Foreign = { readonly plan: WorkPlan; readonly text: string }

export type InDirectorOptions = {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly path: string
  readonly foreign: Foreign
  /** The director's own log: for a file that names none. */
  readonly log: (message: string) => void
  /** Words that begin a call of ldirectord. */
  readonly ldirectord: readonly string[]
  /** Reads the file again. Never throws. */
  readonly reload: () => Promise<void>
}

export type InDirector = AsyncDisposable & {
  /** Another file: to be called before its services are put. */
  follow(foreign: Foreign): void
}

export async function accompanyDirector(options: InDirectorOptions): Promise<InDirector> {
  const { director, cluster, path, ldirectord, reload } = options
  let { plan } = options.foreign
  let sink: MovableLog | undefined
  const log = (message: string): void => (plan.logfile === undefined ? options.log(message) : sink?.write(message))
  const moveLog = ({ logfile }: WorkPlan): void => {
    if (logfile === undefined) return
    const target = logTarget(logfile)
    const instance = path.slice(path.lastIndexOf('/') + 1)
    const said = { out: options.log, err: options.log }
    sink ??= openMovableLog({ target, instance, pid: process.pid, now: () => new Date(), ...said })
    sink.moveTo(target)
  }
  moveLog(plan)
  const commands: Commands = { host: localHost(), ldirectord, log }
  const mailer = openMailer({ log })
  const company = await openCompany({
    director,
    cluster,
    plan,
    file: { path, shown: path, text: options.foreign.text },
    commands,
    mailer,
    // The director lives as long as this process: its events end with it, and with nothing else.
    regain: () => Promise.reject(new InfraError('unreachable', 'the director has ended', { subject: 'director' })),
    reload,
  })
  let others = runOthers(plan.others, 'start', commands)
  return {
    follow(next) {
      const before = plan
      plan = next.plan
      moveLog(plan)
      company.read(next.text)
      company.follow(plan)
      others = others.then(() => changeOthers(before.others, next.plan.others, commands))
    },
    async [Symbol.asyncDispose]() {
      await others
      await runOthers(plan.others, 'stop', commands)
      await company[Symbol.asyncDispose]()
      await mailer[Symbol.asyncDispose]()
      await sink?.[Symbol.asyncDispose]()
    },
  }
}
