/** Everything that is done beside a director for one ldirectord.cf, on this machine: its work, and a look at the file. */
import { appendFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { DirectorControl } from '../../../director/control.ts'
import { machineTiming } from '../../../health/timing.ts'
import { type Commands, runCallback } from './commands.ts'
import { watchFile } from './file-watch.ts'
import type { Mailer } from './mailer.ts'
import type { WorkPlan } from './plan.ts'
import { openWork, type Work, type WorkOptions } from './work.ts'

export type CompanyOptions = Pick<WorkOptions, 'regain'> & {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly plan: WorkPlan
  readonly file: {
    readonly path: string
    /** As the log names it. */
    readonly shown: string
    /** As it was read. */
    readonly text: string
  }
  readonly commands: Commands
  readonly mailer: Pick<Mailer, 'send'>
  /** The file is to be read again, as it was changed. Never throws. */
  readonly reload: () => Promise<void>
}

export type Company = Pick<Work, 'stop' | 'told'> &
  AsyncDisposable & {
    /** Another file: to be called before its services are put. */
    follow(plan: WorkPlan): void
    /** This is what the file said when it was read. */
    read(text: string): void
  }

/** Resolves once what the director has of the cluster is known; to be called before its services are put. */
export async function openCompany(options: CompanyOptions): Promise<Company> {
  const { director, cluster, file, commands, mailer, regain, reload } = options
  const { log } = commands
  const watch = watchFile(file.path)
  watch.read(file.text)
  let { plan } = options

  const look = async (closing: AbortSignal): Promise<void> => {
    const found = watch.look()
    if (typeof found === 'object') log(`Warning [${process.pid}]: can not open file ${file.shown} for checking`)
    if (found !== 'changed') return
    log(`Configuration file '${file.shown}' has changed on disk`)
    log(plan.reloadsByItself ? ' - reread new configuration' : ' - ignore new configuration')
    if (plan.reloadsByItself) await reload()
    await runCallback(plan, file.path, commands, closing)
  }
  const work = await openWork({
    director,
    cluster,
    plan,
    ports: {
      log,
      append: (path, text) => appendFileSync(path, text),
      mail: (mail) => mailer.send(mail),
      timing: machineTiming,
      now: () => new Date(),
      pid: process.pid,
      hostName: hostname(),
    },
    regain,
    onInterval: look,
  })
  return {
    follow(next) {
      plan = next
      work.follow(next)
    },
    read: (text) => watch.read(text),
    stop: () => work.stop(),
    told: () => work.told(),
    [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
  }
}
