/** The commands of an ldirectord.cf: the callback after a change, and other instances that live with this one. */
import { accessSync, constants } from 'node:fs'
import { within } from '../../../deadline.ts'
import { describeError } from '../../../errors.ts'
import type { Host } from '../../../hosts/host.ts'
import type { WorkPlan } from './plan.ts'

export type Commands = {
  readonly host: Pick<Host, 'run'>
  /** Words that begin a call of ldirectord. */
  readonly ldirectord: readonly string[]
  readonly log: (message: string) => void
}

const commandMs = 60_000

/** Only when it can be run, as ldirectord looks first. */
export async function runCallback(
  { callback }: WorkPlan,
  path: string,
  commands: Commands,
  signal: AbortSignal,
): Promise<void> {
  if (callback === undefined || !isExecutable(callback)) return
  await run(commands, [callback, path], `${callback} ${path}`, within(signal, commandMs))
}

export type OtherCommand = 'start' | 'stop' | 'reload-or-start'

/** Each of the instances with these files. */
export async function runOthers(files: readonly string[], command: OtherCommand, commands: Commands): Promise<void> {
  for (const file of files) {
    if (command !== 'reload-or-start') await runOther(file, command, commands)
    else if (!(await runOther(file, 'reload', commands))) await runOther(file, 'start', commands)
  }
}

/** After another file was read: those that went, those that stayed, those that came. */
export async function changeOthers(
  before: readonly string[],
  after: readonly string[],
  commands: Commands,
): Promise<void> {
  await runOthers(
    before.filter((file) => !after.includes(file)),
    'stop',
    commands,
  )
  await runOthers(
    after.filter((file) => before.includes(file)),
    'reload-or-start',
    commands,
  )
  await runOthers(
    after.filter((file) => !before.includes(file)),
    'start',
    commands,
  )
}

function runOther(file: string, command: 'start' | 'stop' | 'reload', commands: Commands): Promise<boolean> {
  return run(
    commands,
    [...commands.ldirectord, file, command],
    `ldirectord ${file} ${command}`,
    AbortSignal.timeout(commandMs),
  )
}

async function run(
  { host, log }: Commands,
  words: readonly string[],
  shown: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { code, stderr } = await host.run(words, { signal })
    if (code === 0) return true
    log(`system(${shown}) failed: exit code ${code}${stderr === '' ? '' : `: ${stderr.trim().replaceAll('\n', '; ')}`}`)
  } catch (error) {
    log(`system(${shown}) failed: ${describeError(error)}`)
  }
  return false
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
