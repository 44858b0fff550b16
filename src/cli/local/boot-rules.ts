/** ipvsadm's rules file of a distribution: loaded when a director starts, saved when it ends in order, if asked. */
import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { readRules } from '../../compat/ipvsadm/rules-file.ts'
import type { Director } from '../../director/director.ts'
import { describeError, InfraError } from '../../errors.ts'
import { printRules } from '../../formats/ipvsadm-rules.ts'
import type { EditResult, SyncDaemon, TableEdit } from '../../lvs/edit.ts'
import { serviceKey } from '../../lvs/service.ts'
import type { Output } from '../output.ts'
import { type IpvsadmDefault, parseIpvsadmDefault } from './ipvsadm-default.ts'

/** How long the rules may take to stand, and the table to be saved. */
const tableMs = 120_000

export type BootRulesOptions = {
  /** What ipvsadm-save has written: /etc/ipvsadm.rules, /etc/sysconfig/ipvsadm. */
  readonly rules: string
  /** Debian's /etc/default/ipvsadm; left out, it is looked for beside the rules. */
  readonly defaults: string | undefined
  readonly log: Logger
  readonly output: Output | undefined
}

export type BootRules = {
  /** All of the file or nothing. @throws InfraError `invalid` after every line that is no good was said. */
  load(director: Director): Promise<void>
  /** What was made by hand, in place of the file; the old file stays beside it as FILE.bak. */
  save(director: Director): Promise<void>
}

export function bootRules({ rules, defaults, log, output }: BootRulesOptions): BootRules {
  const say = (level: 'error' | 'warn', file: string, line: number | undefined, message: string): void => {
    log[level]({ component: 'director', file, ...(line === undefined ? {} : { line }) }, message)
    output?.note([`${file}:${line === undefined ? '' : `${line}:`} ${level === 'warn' ? 'warning: ' : ''}${message}`])
  }
  return {
    async load(director) {
      const around = await readDefaults(rules, defaults)
      for (const { line, message } of around?.problems ?? []) say('error', around?.file ?? '', line, message)
      if (around !== undefined && around.problems.length > 0) throw faulty(around.file)
      if (around !== undefined && !around.loads) {
        if (defaults !== undefined) {
          say('warn', around.file, undefined, `AUTO is not true: the rules of ${rules} are not loaded`)
          return await startDaemons(director, around, say)
        }
        say('warn', around.file, undefined, 'AUTO is not true, but --ipvsadm-rules asks for the rules: they are loaded')
      }
      const { edits, problems } = await readRules(await textOf(rules))
      for (const { line, message, hint } of problems) say('error', rules, line, withHint(message, hint))
      if (problems.length > 0) throw faulty(rules)
      const results = await director.edit(
        edits.map(({ edit }) => edit),
        { signal: AbortSignal.timeout(tableMs) },
      )
      const refused = results.flatMap((result, index) => (result.ok ? [] : [{ result, rule: edits[index] }]))
      for (const { result, rule } of refused) say('error', rules, rule?.line, refusalText(result))
      if (refused.length > 0) throw faulty(rules)
      log.info({ component: 'director', file: rules, rules: edits.length }, 'the rules were loaded')
      if (around !== undefined) await startDaemons(director, around, say)
    },
    async save(director) {
      const signal = AbortSignal.timeout(tableMs)
      const { clusters } = await director.status({ signal })
      const owned = new Set(clusters.flatMap(({ services }) => services.map(({ service }) => serviceKey(service.id))))
      const { services } = await director.table({ signal })
      const byHand = services.filter(({ service }) => !owned.has(serviceKey(service.id)))
      const text = printRules(
        byHand.map(({ service, servers }) => ({ service, servers: servers.map(({ server }) => server) })),
      )
      await replaceFile(rules, text)
      log.info({ component: 'director', file: rules, services: byHand.length }, 'the rules were saved')
    },
  }
}

type Say = (level: 'error' | 'warn', file: string, line: number | undefined, message: string) => void
type Around = IpvsadmDefault & { readonly file: string }

/** A director balances without its daemon: what is not done about it is said, and no reason to end. */
async function startDaemons(director: Director, { file, daemons }: Around, say: Say): Promise<void> {
  const start = (daemon: SyncDaemon): TableEdit => ({ kind: 'daemon.start', daemon })
  const results = await director.edit(daemons.map(start), { signal: AbortSignal.timeout(tableMs) })
  for (const [index, result] of results.entries())
    if (!result.ok)
      say('warn', file, undefined, `DAEMON ${daemons[index]?.role} is not started: ${refusalText(result)}`)
}

async function readDefaults(rules: string, defaults: string | undefined): Promise<Around | undefined> {
  if (defaults !== undefined) return { file: defaults, ...parseIpvsadmDefault(await textOf(defaults)) }
  const beside = join(dirname(rules), 'default', 'ipvsadm')
  const text = await readFile(beside, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : { file: beside, ...parseIpvsadmDefault(text) }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new InfraError(code === 'ENOENT' ? 'not-found' : 'failed', `cannot read ${file}: ${code}`, {
      subject: file,
      cause: error,
      ...(code === 'ENOENT' ? { hint: `make it: touch ${file}, or ipvsadm-save > ${file}` } : {}),
    })
  }
}

function faulty(file: string): InfraError {
  return new InfraError('invalid', `${file} has errors; none of it was loaded`, { subject: file })
}

function refusalText(result: EditResult): string {
  return result.ok ? '' : withHint(result.message ?? errnoText[result.errno], result.hint)
}

const withHint = (message: string, hint: string | undefined): string =>
  hint === undefined ? message : `${message} (${hint})`

const errnoText: Readonly<Record<Extract<EditResult, { readonly ok: false }>['errno'], string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'the address is none of this host',
  EEXIST: 'it is there already: an earlier line has it',
  EINVAL: 'this cannot be: a wrong address, mask or number',
  EIO: 'the engine failed',
  ENODEV: 'there is no such interface',
  ENOENT: 'there is no such scheduler, persistence engine or server',
  ENOMEM: 'there is no room',
  EOPNOTSUPP: 'the engine cannot do this',
  EPERM: 'this is not allowed',
  ERANGE: 'a number is out of range',
  ESRCH: 'there is no such service: no earlier line has it',
}

/** Atomic: after a crash there is the old file or the new one, and the old one beside it either way. */
async function replaceFile(file: string, text: string): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => undefined)
  if (before === text) return
  const fresh = `${file}.new-${process.pid}`
  try {
    const mode = before === undefined ? 0o600 : (await stat(file)).mode & 0o777
    await writeFile(fresh, text, { mode, flush: true })
    if (before !== undefined) await copyFile(file, `${file}.bak`)
    await rename(fresh, file)
  } catch (error) {
    await rm(fresh, { force: true })
    throw new InfraError('failed', `cannot save the rules to ${file}: ${describeError(error)}`, {
      subject: file,
      cause: error,
    })
  }
}
