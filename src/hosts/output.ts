/** What a command prints, gathered up to a bound. */

/** More than this from one command is a fault of the command; it is ended rather than held in memory. */
export const maxOutputBytes = 64 * 1024 * 1024

export type Collector = {
  readonly stdout: (chunk: Buffer) => void
  readonly stderr: (chunk: Buffer) => void
  readonly overflowed: () => boolean
  readonly bytes: () => { readonly stdout: Buffer; readonly stderr: Buffer }
}

export function collector(onOverflow: () => void): Collector {
  const out: Buffer[] = []
  const errors: Buffer[] = []
  let size = 0
  const into =
    (list: Buffer[]) =>
    (chunk: Buffer): void => {
      size += chunk.length
      if (size > maxOutputBytes) onOverflow()
      else list.push(chunk)
    }
  return {
    stdout: into(out),
    stderr: into(errors),
    overflowed: () => size > maxOutputBytes,
    bytes: () => ({ stdout: Buffer.concat(out), stderr: Buffer.concat(errors) }),
  }
}
