/**
 * One datagram from each of many clients: `crowd.ts ADDRESS PORT COUNT`. Clients are the addresses of 198.18.0.0/16, which
 * this machine must have, with as many ports of each as are needed; and they are numbered, see `clientNumber`.
 */
import { datagramsPerCall, openSender } from '../net/datagrams.ts'
import { clientsPerPort, firstAddress, firstPort } from './crowd-numbers.ts'

const [address = '', port = '', count = ''] = process.argv.slice(2)
for (let begun = 0; begun < Number(count); begun += clientsPerPort) {
  const sender = openSender(address, Number(port), firstPort + begun / clientsPerPort)
  const clients = Math.min(clientsPerPort, Number(count) - begun)
  for (let sent = 0; sent < clients; ) {
    const batch = Math.min(datagramsPerCall, clients - sent)
    for (let place = 0; place < batch; place++) sender.from(place, firstAddress + sent + place)
    sent += sender.send(batch)
  }
}
process.exit(0)
