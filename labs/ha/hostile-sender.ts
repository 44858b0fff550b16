/** Sends COUNT hostile datagrams to the router that is under attack; in the namespace of another one. */
import { listInterfaces } from '../../src/os/interfaces.ts'
import { openIpSender } from '../../src/os/raw-ip.ts'
import { receive } from '../../src/vrrp/machine/receive.ts'
import { VRRP } from '../../src/wire/vrrp.ts'
import { router } from '../../test/build/vrrp.ts'
import { hostileArrivals, victim } from './hostile.ts'

const count = Number(process.argv[2])
const found = listInterfaces().find(({ name }) => name === 'eth0')
if (found === undefined) throw new Error('no eth0')
const link = { ...found, isRunning: true, mac: undefined }
const sender = openIpSender('ipv4')
const arrivals = hostileArrivals(2)
const config = router({ ...victim, addresses: [...victim.addresses] })
let sent = 0
for (let at = 0; at < count; at++) {
  const { value } = arrivals.next()
  if (value === undefined) break
  // A sum does not see all that is changed: what is right by chance would be heeded, and rightly.
  if (receive(config, value).kind === 'accepted') continue
  const { source, destination, hops, payload } = value
  if (sender.send({ protocol: VRRP, source, destination, hops, payload }, link) === undefined) sent += 1
  // So that the receiver's buffer is not all that is tried out.
  if (at % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
}
console.log(sent)
process.exit()
