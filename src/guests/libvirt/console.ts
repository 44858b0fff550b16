/**
 * A guest's serial console. libvirt gives it to one client: within one Baton it is shared, so that all who have it open see
 * what any of them types.
 */
import { Duplex } from 'node:stream'
import { InfraError, isInfraError } from '../../errors.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import type { Domain } from './observe.ts'

/** What one reader may leave unread before it misses some: it must not hold up the others, nor fill the memory. */
const maxUnreadBytes = 1024 * 1024

type Shared = { readonly line: Duplex; readonly readers: Set<Duplex> }

export type Consoles = {
  /** @throws InfraError `busy` while another program has it. */
  open(connection: Connection, domain: Domain, options: CallOptions): Promise<Duplex>
}

export function sharedConsoles(): Consoles {
  const lines = new Map<string, Promise<Shared>>()
  const share = (connection: Connection, domain: Domain, options: CallOptions): Promise<Shared> => {
    const key = `${domain.uuid} ${domain.id}`
    const there = lines.get(key)
    if (there !== undefined) return there
    const forget = (): void => void lines.delete(key)
    const made = openLine(connection, domain, forget, options)
    lines.set(key, made)
    made.catch(forget)
    return made
  }
  return {
    async open(connection, domain, options) {
      const { line, readers } = await share(connection, domain, options)
      const reader = new Duplex({
        read: () => {},
        write: (chunk: Buffer, _encoding, callback) => void line.write(chunk, callback),
        destroy(error, callback) {
          readers.delete(reader)
          if (readers.size === 0) line.destroy()
          callback(error)
        },
      })
      readers.add(reader)
      return reader
    },
  }
}

async function openLine(
  connection: Connection,
  domain: Domain,
  forget: () => void,
  options: CallOptions,
): Promise<Shared> {
  const line = await connection.stream('domainOpenConsole', [domain, undefined, 0], options).catch((error: unknown) => {
    // The domain's state was looked at before: what does not allow it is somebody who has it.
    if (!isInfraError(error, 'invalid')) throw error
    throw new InfraError('busy', `the console of ${domain.name} is open elsewhere`, {
      subject: domain.name,
      cause: error,
      hint: 'close the other one first (virsh console, virt-manager, another baton)',
    })
  })
  const readers = new Set<Duplex>()
  line.on('data', (chunk: Buffer) => {
    for (const reader of readers) if (reader.readableLength < maxUnreadBytes) reader.push(chunk)
  })
  const end = (): void => {
    forget()
    for (const reader of readers) reader.push(null)
  }
  line
    .on('end', end)
    .on('close', end)
    .on('error', (error) => {
      // A guest that goes ends its line in many ways; only a connection that is lost says nothing of the guest.
      if (isInfraError(error, 'unreachable')) for (const reader of [...readers]) reader.destroy(error)
      end()
    })
  return { line, readers }
}
