/** Lines of a log as ldirectord writes them. Pure. */

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** ctime(3), local time: `Mon Nov 23 05:21:15 2026`. */
export function ctime(at: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${days[at.getDay()]} ${months[at.getMonth()]} ${String(at.getDate()).padStart(2)}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${at.getFullYear()}`
}

/** `debug`: standard error; `supervised`: standard output. */
export type LogTarget =
  | { readonly kind: 'debug' | 'supervised' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'syslog'; readonly facility: string }

/** A value of `logfile`: what begins with a slash is a file. */
export function logTarget(written: string): LogTarget {
  return written.startsWith('/') ? { kind: 'file', path: written } : { kind: 'syslog', facility: written }
}

/** With its line breaks; syslog puts the time and who says it by itself. */
export function logText(
  { kind }: LogTarget,
  message: string,
  who: { readonly at: Date; readonly instance: string; readonly pid: number },
): string {
  const line = message.replace(/\n$/, '')
  switch (kind) {
    case 'debug':
      return `DEBUG2: ${line}\n${line}\n`
    case 'supervised':
      return `[${ctime(who.at)}] ${line}\n`
    case 'file':
      return `[${ctime(who.at)}|${who.instance}|${who.pid}] ${line}\n`
    case 'syslog':
      return `${line}\n`
  }
}
