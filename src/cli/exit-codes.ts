/** What a finished command says with its exit code: one table for the program, its help and the documentation. */

export const exitCodes = {
  ok: 0,
  failed: 1,
  changes: 2,
  needsYes: 3,
  usage: 64,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const meanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done; plan: there is nothing to do',
  failed: 'failed, or the file has errors: said on standard error',
  changes: 'plan: there is something to do',
  needsYes: 'up: more would go away than the limit allows without --yes; nothing was changed',
  usage: 'unknown command, option or argument',
  interrupted: 'stopped by Ctrl-C',
}

export function exitCodeHelp(): string {
  const names = Object.keys(meanings) as (keyof typeof meanings)[]
  const lines = names.map((name) => `  ${String(exitCodes[name]).padEnd(4)} ${meanings[name]}`)
  return ['Exit codes:', ...lines].join('\n')
}
