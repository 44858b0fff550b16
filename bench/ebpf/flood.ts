/** Small datagrams as fast as one thread can send them: `flood.ts ADDRESS PORT MILLISECONDS`. */
import { openSender } from '../../labs/net/datagrams.ts'

const [address = '', port = '', milliseconds = ''] = process.argv.slice(2)
const sender = openSender(address, Number(port))
const end = performance.now() + Number(milliseconds)
while (performance.now() < end) sender.send()
process.exit(0)
