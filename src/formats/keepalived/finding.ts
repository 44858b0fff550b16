/** What is said of a keepalived.conf, in keepalived's own words. */

/** `file`: as it was opened. `line`: from 1, where the text stands that is meant (of a parameter: where it is used). */
export type Place = { readonly file: string; readonly line: number }

/**
 * What `keepalived -t` ends with for it (`KEEPALIVED_EXIT_…` in its lib/bitops.h): 0 is a remark, 2 ends the reading, 4 is
 * an interface that is not there, 5 is any other error or warning, 6 are scripts that are not safe and includes that must be there.
 */
export type ExitClass = 0 | 2 | 4 | 5 | 6

export type Finding = { readonly exit: ExitClass; readonly place?: Place; readonly message: string }

export type Report = (exit: ExitClass, place: Place | undefined, message: string) => void

/** The reading cannot go on; what stands against it has been reported. */
export class Unreadable extends Error {}

/** Of several findings the highest class is the exit code, except that what ends the reading is it at once. */
export function exitCodeOf(findings: readonly Finding[]): ExitClass {
  if (findings.some(({ exit }) => exit === 2)) return 2
  return findings.reduce<ExitClass>((highest, { exit }) => (exit > highest ? exit : highest), 0)
}
