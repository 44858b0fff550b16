/** Holds what Baton did to what the kernel did, step by step. */
import type { Outcome, Script, Step } from './script.ts'

export type Difference = {
  readonly script: Script
  /** Place of the step in the script. */
  readonly at: number
  readonly kernel: string
  readonly baton: string
}

export type Tally = { decisions: number; listings: number; commands: number }

export const emptyTally = (): Tally => ({ decisions: 0, listings: 0, commands: 0 })

/** Counts what was compared into `tally`; the differences of this script. */
export function compare(
  script: Script,
  kernel: readonly Outcome[],
  baton: readonly Outcome[],
  tally: Tally,
): Difference[] {
  return script.steps.flatMap((step, at) => {
    const [theirs, ours] = [kernel[at], baton[at]]
    if (theirs === undefined || ours === undefined) return [{ script, at, kernel: 'nothing', baton: 'nothing' }]
    count(step, theirs, tally)
    return isSame(step, theirs, ours) ? [] : [{ script, at, kernel: describe(theirs), baton: describe(ours) }]
  })
}

function count(step: Step, outcome: Outcome, tally: Tally): void {
  if (step.kind === 'packet') tally.decisions += 1
  else if (outcome.kind === 'ipvsadm' && outcome.stdout !== '') tally.listings += 1
  else if (outcome.kind !== 'sleep') tally.commands += 1
}

function isSame(step: Step, kernel: Outcome, baton: Outcome): boolean {
  if (kernel.kind === 'ipvsadm' && baton.kind === 'ipvsadm')
    return (
      kernel.code === baton.code &&
      kernel.stderr === baton.stderr &&
      isSameListing(kernel.stdout, savesThresholds(step) ? withoutThresholds(baton.stdout) : baton.stdout)
    )
  return JSON.stringify(kernel) === JSON.stringify(baton)
}

/** Baton's saving keeps thresholds, which the real one loses (docs/compat/ipvsadm.md). */
function savesThresholds(step: Step): boolean {
  return step.kind === 'ipvsadm' && step.arguments.some((word) => /^-\w*S|^--save$/.test(word))
}

function withoutThresholds(saved: string): string {
  return saved.replaceAll(/ -[xy] \d+/g, '')
}

const connectionsTitle = 'IPVS connection entries'

function isSameListing(kernel: string, baton: string): boolean {
  if (!kernel.startsWith(connectionsTitle)) return kernel === baton
  const [theirs, ours] = [connectionRows(kernel), connectionRows(baton)]
  return (
    theirs.length === ours.length &&
    theirs.every(({ row, seconds }, at) => {
      const other = ours[at]
      return other !== undefined && other.row === row && Math.abs(other.seconds - seconds) <= slackSeconds(row)
    })
  )
}

/**
 * A second may pass between the two; and a template whose time is postponed bears the slack of the kernel's timers, which
 * grows with their length.
 */
function slackSeconds(row: string): number {
  return / (NONE|ASSURED) /.test(row) ? 3 : 1
}

/** The kernel prints connections in the order of its hash, which differs at every boot. */
function connectionRows(listing: string): { row: string; seconds: number }[] {
  return listing
    .split('\n')
    .map((row) => {
      const [, before = row, minutes = '0', seconds = '0', after = ''] = /^(\w+ +)(\d+):(\d\d)( .*)$/.exec(row) ?? []
      return { row: `${before}${after}`, seconds: Number(minutes) * 60 + Number(seconds) }
    })
    .sort((a, b) => (a.row < b.row ? -1 : a.row > b.row ? 1 : a.seconds - b.seconds))
}

export function describe(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'ipvsadm': {
      const { code, stdout, stderr } = outcome
      const output = [stdout, ...stderr.split('\n').map((line) => (line === '' ? '' : `stderr: ${line}\n`))].join('')
      return `${output}${code === 0 ? '' : `exit code ${code}\n`}`
    }
    case 'packet':
      return `=> ${outcome.verdict}\n`
    case 'sysctl':
      return outcome.isRefused ? '=> refused\n' : ''
    case 'sleep':
      return ''
  }
}
