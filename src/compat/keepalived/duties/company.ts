/** Everything that is done beside a director for one keepalived.conf: its commands are run, its pipes written, its mails sent. */
import { spawn } from 'node:child_process'
import type { DirectorControl } from '../../../director/control.ts'
import { machineTiming } from '../../../health/timing.ts'
import { follow } from '../../following.ts'
import { type Mailer, openMailer } from '../../ldirectord/duties/mailer.ts'
import { openFifos } from './fifos.ts'
import type { Argv, NoticePlan } from './plan.ts'
import { type Notice, Teller } from './tell.ts'

export type CompanyOptions = {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly plan: NoticePlan
  readonly log: (message: string) => void
  readonly regain: (signal: AbortSignal) => Promise<void>
}

export type Company = AsyncDisposable & {
  /** Another file: to be called before its services are put. */
  follow(plan: NoticePlan): void
  /** To be called once they are put. */
  begin(): void
  /** Resolves when the end of every instance was told, or will not be any more. */
  told(): Promise<void>
}

/** How long is waited for the last events. */
const toldMs = 3_000
const lookMs = 20
/** So many commands at a time; one more is not run, and the log says so. */
const mostCommands = 256

/** Resolves once what the director has of the cluster is known; to be called before its services are put. */
export async function openCompany(options: CompanyOptions): Promise<Company> {
  const { director, cluster, log, regain } = options
  let { plan } = options
  const closing = new AbortController()
  const teller = new Teller(plan, cluster)
  const mailers = new Map<number, Mailer>()
  let fifos = openFifos(plan.fifos, log)
  let running = 0

  const run = ([program = '', ...words]: Argv): void => {
    if (running >= mostCommands) return log(`${program} is not run: ${mostCommands} commands have not ended yet`)
    running += 1
    const child = spawn(program, words, { stdio: 'ignore', detached: true })
    child.once('error', (error) => log(`${program} cannot be run: ${error.message}`))
    child.once('close', () => (running -= 1))
    child.unref()
  }
  const mail = (subject: string, text: string): void => {
    if (plan.mail === undefined) return
    const { to, from, relay } = plan.mail
    const port = relay?.port ?? 25
    const mailer = mailers.get(port) ?? openMailer({ log, port })
    mailers.set(port, mailer)
    mailer.send({ to, from, relay: relay?.host, subject, text })
  }
  const carryOut = (notices: readonly Notice[]): void => {
    for (const notice of notices) {
      if (notice.kind === 'log') log(notice.message)
      else if (notice.kind === 'line') fifos.write(notice.of, notice.text)
      else if (notice.kind === 'run') run(notice.argv)
      else mail(notice.subject, notice.text)
    }
  }
  const following = await follow({
    director,
    cluster,
    timing: machineTiming,
    now: () => new Date(),
    log,
    closing: closing.signal,
    wantsResults: () => false,
    onStatus: (status) => carryOut(teller.standing(status)),
    onEvent: (event) => carryOut(teller.event(event)),
    regain,
  })
  return {
    follow(next) {
      if (JSON.stringify(next.fifos) !== JSON.stringify(plan.fifos)) {
        fifos[Symbol.dispose]()
        fifos = openFifos(next.fifos, log)
      }
      plan = next
      teller.follow(next)
    },
    begin: () => carryOut(teller.begin()),
    async told() {
      carryOut(teller.stop())
      for (let waitedMs = 0; waitedMs < toldMs && !teller.isOver; waitedMs += lookMs)
        await machineTiming.sleep(lookMs, closing.signal)
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await following.ended
      fifos[Symbol.dispose]()
      for (const mailer of mailers.values()) await mailer[Symbol.asyncDispose]()
    },
  }
}
