/** The files of a QEMU guest's console: a FIFO that QEMU reads, and the log that it writes. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { SerialLine } from '../serial-line.ts'
import type { GuestPaths } from './paths.ts'

/** The log of past runs that is kept at a start. */
const keptLogBytes = 1024 * 1024

export function serialLine(pid: number, { consoleLog, consoleInput }: GuestPaths): SerialLine {
  return { log: consoleLog, input: consoleInput, alive: `/proc/${pid}` }
}

/** The FIFO for input, and nowhere for output, which the log has. */
export async function makeConsole(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  const script = 'mkfifo -m 600 "$1" && ln -s /dev/null "$2"'
  const result = await host.run(['sh', '-c', script, 'sh', paths.consoleInput, paths.consoleOutput], options)
  if (result.code !== 0)
    throw new InfraError('failed', `make console: ${result.stderr.trim()}`, { subject: paths.consoleInput })
}

/** Keeps the end of a long log. Before a start: QEMU only appends. */
export async function trimConsoleLog(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  const script =
    'size=$(stat -c %s -- "$1" 2>/dev/null || echo 0); [ "$size" -le "$2" ] || { tail -c "$2" -- "$1" > "$1.new" && mv -- "$1.new" "$1"; }'
  const result = await host.run(['sh', '-c', script, 'sh', paths.consoleLog, String(keptLogBytes)], options)
  if (result.code !== 0)
    throw new InfraError('failed', `trim ${paths.consoleLog}: ${result.stderr.trim()}`, { subject: paths.consoleLog })
}
