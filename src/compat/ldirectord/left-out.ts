/** What of an ldirectord.cf has no counterpart, said with its line. Pure. */
import type { Globals, Virtual } from '../../formats/ldirectord/model.ts'
import type { Report } from '../../formats/ldirectord/places.ts'

/** What does ldirectord's work beside a director. */
export type Company = 'daemon' | 'director'

type Line = { readonly line: number } | undefined

/** What becomes of directives that have no counterpart. */
const noMails = 'no mails are sent'
const notTaken = {
  emailalert: noMails,
  emailalertfrom: noMails,
  emailalertfreq: noMails,
  emailalertstatus: noMails,
  smtp: noMails,
  servicename: 'it stands in mails only, and no mails are sent',
  comment: 'it stands in mails only, and no mails are sent',
  callback: 'no command is run when the file changes',
  execute: 'no other director is started',
  logfile: 'the log goes to standard output',
  monitorfile: 'results of checks are not written to a file',
  load: 'it has no use, for ldirectord neither',
} as const

function reportKeys(
  of: Readonly<Partial<Record<string, unknown>>>,
  keys: readonly (keyof typeof notTaken)[],
  report: Report,
) {
  for (const key of keys) {
    const written = of[key] as Line
    if (written !== undefined) report('warning', written.line, `${key} is not taken over: ${notTaken[key]}`)
  }
}

/** What is done beside the director, when somebody is there to do it. */
const mailKeys = ['emailalert', 'emailalertfreq', 'emailalertstatus', 'smtp'] as const
const companyKeys = {
  global: [...mailKeys, 'emailalertfrom', 'callback', 'logfile'],
  virtual: [...mailKeys, 'servicename', 'comment', 'monitorfile'],
} as const

export function reportGlobals(globals: Globals, company: Company | undefined, report: Report): void {
  if (company !== 'daemon') reportCleanStop(globals, report)
  if (company !== undefined) return
  reportKeys(globals, companyKeys.global, report)
  for (const { line, value } of globals.execute)
    report('warning', line, `execute=${value} is not taken over: ${notTaken.execute}`)
  const { autoreload } = globals
  if (autoreload?.value === true)
    report('warning', autoreload.line, 'autoreload is not taken over: the file is read again at SIGHUP only')
}

export function reportVirtual(virtual: Virtual, company: Company | undefined, report: Report): void {
  reportKeys(virtual, ['load'], report)
  if (company !== 'daemon') reportCleanStop(virtual, report)
  if (company !== undefined) return
  reportKeys(virtual, companyKeys.virtual, report)
}

function reportCleanStop({ cleanstop }: Pick<Globals, 'cleanstop'>, report: Report): void {
  if (cleanstop?.value === false)
    report('warning', cleanstop.line, 'cleanstop=no is not taken over: what the director serves ends with it')
}
