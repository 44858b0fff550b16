/** Hears all advertisements on `eth0` of its namespace: a line of JSON each, with how late its own clock has run since the last. */
import { listInterfaces } from '../../src/os/interfaces.ts'
import { hearProtocol } from '../../src/os/raw-ip.ts'
import { decodeVrrp, VRRP, vrrpGroups } from '../../src/wire/vrrp.ts'

/** `lateMs`: the most that a timer was late since the advertisement before: what this machine can hold just now. */
export type Witnessed = {
  readonly atMs: number
  readonly from: string
  readonly id: number
  readonly priority: number
  readonly lateMs: number
}

const tickMs = 5
const found = listInterfaces().find(({ name }) => name === 'eth0')
if (found === undefined) throw new Error('no eth0')
const link = { ...found, isRunning: true, mac: undefined }

let lateMs = 0
let lastMs = performance.now()
setInterval(() => {
  const nowMs = performance.now()
  lateMs = Math.max(lateMs, nowMs - lastMs - tickMs)
  lastMs = nowMs
}, tickMs)

for (const family of ['ipv4', 'ipv6'] as const)
  hearProtocol({ family, protocol: VRRP, link, groups: [vrrpGroups[family]] }, ({ source, payload }) => {
    const { id, priority } = decodeVrrp(payload, family)
    const atMs = performance.now()
    console.log(JSON.stringify({ atMs, from: source, id, priority, lateMs } satisfies Witnessed))
    lateMs = 0
  })
console.log('{}')
