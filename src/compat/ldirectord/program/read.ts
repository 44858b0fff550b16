/** An ldirectord.cf for the program: read, its findings as ldirectord says them, and what a director is to serve of it. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { wantedServices } from '../../../cluster/plan/wanted.ts'
import type { ChosenEngine } from '../../../cluster/spec/engine-check.ts'
import type { ClusterServices } from '../../../director/control.ts'
import { describeError } from '../../../errors.ts'
import type { Finding, LdirectordFile } from '../../../formats/ldirectord/model.ts'
import { convertLdirectord } from '../convert.ts'
import { type WorkPlan, workPlan } from '../duties/plan.ts'
import { parseWithNames } from '../file.ts'

export type ReadFile = {
  readonly text: string
  readonly file: LdirectordFile
  /** `line` 0: of the file as a whole. */
  readonly findings: readonly Finding[]
}

/** Of any command: what the file says, and whether its own files can be written. Never throws for what is in it. */
export async function readFile(path: string, isDaemonLog: boolean): Promise<ReadFile> {
  const text = readText(path)
  if (text === undefined) {
    const finding: Finding = { severity: 'error', line: 0, message: `can not open file ${path}` }
    return { text: '', file: { globals: { execute: [] }, virtuals: [], findings: [finding] }, findings: [finding] }
  }
  const file = await parseWithNames(text)
  return { text, file, findings: [...file.findings, ...(await filesOf(file, isDaemonLog))] }
}

export type Served = { readonly wanted: ClusterServices; readonly plan: WorkPlan }

/** What a director is to serve; undefined when a finding is an error. Findings of the file itself are not repeated. */
export function servedOf(
  { file }: ReadFile,
  cluster: string,
  engine: ChosenEngine | undefined,
): { readonly served: Served | undefined; readonly findings: readonly Finding[] } {
  const options = {
    cluster,
    directory: process.cwd(),
    company: 'daemon' as const,
    ...(engine === undefined ? {} : { engine }),
  }
  const { spec, findings } = convertLdirectord(file, options)
  const own = new Set(file.findings)
  const wanted = spec === undefined ? undefined : wantedServices(spec, new Map(), undefined)
  return {
    served: wanted === undefined ? undefined : { wanted, plan: workPlan(file, wanted) },
    findings: findings.filter((finding) => !own.has(finding)),
  }
}

/** `Error [PID] reading file F at line N: TEXT`. */
export function findingText({ severity, line, message }: Finding, shown: string, pid: number): string {
  const place = line > 0 ? ` reading file ${shown} at line ${line}` : ''
  return `${severity === 'error' ? 'Error' : 'Warning'} [${pid}]${place}: ${message}`
}

export const hasErrors = (findings: readonly Finding[]): boolean =>
  findings.some(({ severity }) => severity === 'error')

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

async function filesOf({ globals, virtuals }: LdirectordFile, isDaemonLog: boolean): Promise<Finding[]> {
  const found: Finding[] = []
  const { logfile, maintenancedir, supervised } = globals
  const isLogged = isDaemonLog && supervised?.value !== true && logfile?.value.startsWith('/') === true
  if (logfile !== undefined && isLogged && appendFailure(logfile.value) !== undefined)
    found.push({ severity: 'error', line: logfile.line, message: `unable to open logfile: ${logfile.value}` })
  for (const { monitorfile } of virtuals) {
    const failure = monitorfile === undefined ? undefined : appendFailure(monitorfile.value)
    if (monitorfile !== undefined && failure !== undefined) {
      const message = `unable to open monitorfile ${monitorfile.value}: ${failure}`
      found.push({ severity: 'error', line: monitorfile.line, message })
    }
  }
  if (maintenancedir !== undefined && !(await isDirectory(maintenancedir.value)))
    found.push({ severity: 'warning', line: maintenancedir.line, message: 'maintenance directory does not exist' })
  return found
}

/** As perror(3) says it. */
function appendFailure(path: string): string | undefined {
  try {
    closeSync(openSync(path, 'a'))
    return undefined
  } catch (error) {
    const said = /^[A-Z0-9]+: (.)(.*?),/.exec(describeError(error))
    return said === null ? describeError(error) : `${said[1]?.toUpperCase()}${said[2]}`
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
