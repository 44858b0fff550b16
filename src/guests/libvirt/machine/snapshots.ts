/** Snapshots inside the guest's own qcow2 disks, as libvirt keeps them (docs/formatsnapshot.html). */
import { InfraError, isInfraError } from '../../../errors.ts'
import { formatXml, newElement, parseXml, setAt, valueAt } from '../../../formats/domain-xml/document.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { checkSnapshotName, type Snapshot } from '../../machine.ts'
import type { Connection } from '../connection.ts'
import type { Domain, Known } from '../observe.ts'

export async function listSnapshots(
  connection: Connection,
  { domain }: Known,
  options: CallOptions,
): Promise<readonly Snapshot[]> {
  const [found] = await connection.call('domainListAllSnapshots', [domain, 1, 0], options)
  if (found.length === 0) return []
  const current = await currentSnapshot(connection, domain, options)
  const snapshots: Snapshot[] = []
  for (const snapshot of found) {
    const [xml] = await connection.call('domainSnapshotGetXmlDesc', [snapshot, 0], options)
    snapshots.push({ ...readSnapshot(xml), isCurrent: snapshot.name === current })
  }
  return snapshots.sort((a, b) => a.takenAt - b.takenAt)
}

/** undefined when the guest goes on from none of them. */
async function currentSnapshot(
  connection: Connection,
  domain: Domain,
  options: CallOptions,
): Promise<string | undefined> {
  try {
    return (await connection.call('domainSnapshotCurrent', [domain, 0], options))[0].name
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

export function readSnapshot(xml: string): Omit<Snapshot, 'isCurrent'> {
  const snapshot = parseXml(xml)
  return {
    name: valueAt(snapshot, './name') ?? '',
    takenAt: Number(valueAt(snapshot, './creationTime') ?? 0),
    hasMemory: valueAt(snapshot, './memory/@snapshot') === 'internal',
  }
}

export async function takeSnapshot(
  connection: Connection,
  { domain, definition }: Known,
  snapshot: string,
  options: CallOptions,
): Promise<void> {
  checkSnapshotName(domain.name, snapshot)
  const standing = await listSnapshotNames(connection, domain, options)
  if (standing.includes(snapshot))
    throw new InfraError('already-exists', `${domain.name} has a snapshot ${snapshot}`, {
      subject: domain.name,
      hint: 'choose another name, or delete that one first: baton snapshot delete',
    })
  const xml = newElement('domainsnapshot')
  setAt(xml, './name', snapshot)
  await connection.call('domainSnapshotCreateXml', [domain, formatXml(xml), 0], options).catch((error: unknown) => {
    if (definition.disks.length > 0 || !(error instanceof InfraError)) throw error
    throw new InfraError('unsupported', `take snapshot ${snapshot} of ${domain.name}: it has no disk to keep it on`, {
      subject: domain.name,
      cause: error,
      hint: 'give the guest a disk, or keep its memory with `baton save`',
    })
  })
}

async function listSnapshotNames(connection: Connection, domain: Domain, options: CallOptions): Promise<string[]> {
  const [found] = await connection.call('domainListAllSnapshots', [domain, 1, 0], options)
  return found.map(({ name }) => name)
}

/** VIR_DOMAIN_SNAPSHOT_REVERT_FORCE is not given: what libvirt calls risky is refused with its words. */
export async function revertSnapshot(
  connection: Connection,
  { domain }: Known,
  name: string,
  options: CallOptions,
): Promise<void> {
  const [snapshot] = await connection.call('domainSnapshotLookupByName', [domain, name, 0], options)
  await connection.call('domainRevertToSnapshot', [snapshot, 0], options)
}

export async function deleteSnapshot(
  connection: Connection,
  { domain }: Known,
  name: string,
  options: CallOptions,
): Promise<void> {
  const [snapshot] = await connection.call('domainSnapshotLookupByName', [domain, name, 0], options)
  await connection.call('domainSnapshotDelete', [snapshot, 0], options)
}
