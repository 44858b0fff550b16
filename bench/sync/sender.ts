/** A master that says COUNT connections in the kernel's protocol, RATE a second, or as fast as it can (0): records in full messages. */
import { setTimeout as sleep } from 'node:timers/promises'
import { listInterfaces } from '../../src/os/interfaces.ts'
import { openGroupSender } from '../../src/os/multicast.ts'
import { recordOf } from '../../src/sync/records.ts'
import { SyncWriter } from '../../src/wire/ipvs-sync.ts'
import { connectionOf, group, syncId } from './connections.ts'

const [device = '', from = '', count = '', rate = ''] = process.argv.slice(2)
const index = listInterfaces().find(({ name }) => name === device)?.index ?? 0
const sender = openGroupSender({ ...group, ttl: 1, link: { name: device, index }, bufferBytes: 4 << 20 })
const perSecond = Number(rate)
const restMs = 5

const writer = new SyncWriter(syncId, 1472)
const messages: { readonly bytes: Uint8Array; readonly ends: number }[] = []
for (let at = 0; at < Number(count); at++) {
  const full = writer.add(recordOf(connectionOf(Number(from) + at)))
  if (full !== undefined) messages.push({ bytes: full, ends: at })
}
const last = writer.take()
if (last !== undefined) messages.push({ bytes: last, ends: Number(count) })

console.log('ready')
await new Promise<void>((resolve) => process.stdin.once('data', () => resolve()))
const began = performance.now()
for (const { bytes, ends } of messages) {
  const dueMs = perSecond > 0 ? began + (1000 * ends) / perSecond : 0
  while (performance.now() < dueMs) await sleep(restMs)
  while (sender.send(bytes) !== undefined) await sleep(1)
}
console.log((performance.now() - began).toFixed(0))
process.exit()
