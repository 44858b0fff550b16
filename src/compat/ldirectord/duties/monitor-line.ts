/** A result of a check as a line of a monitorfile. Pure. */
import { ctime } from './log-line.ts'

export type CheckResult = { readonly isUp: boolean; readonly detail: string }

export function monitorLine(
  identity: string,
  { isUp, detail }: CheckResult,
  who: { readonly at: Date; readonly pid: number },
): string {
  const said = detail === '' ? '-' : detail.replaceAll(/[%|\r\n]/g, (letter) => `%${hex(letter)}`)
  return `[${ctime(who.at)}] [${who.pid}] ${identity} [${isUp ? 'up' : 'down'}] ${said}\n`
}

const hex = (letter: string): string => letter.charCodeAt(0).toString(16).padStart(2, '0')
