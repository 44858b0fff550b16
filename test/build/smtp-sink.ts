/** An SMTP server that takes every mail and keeps what it was told; with a certificate it offers STARTTLS. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export type TakenMail = {
  readonly from: string
  readonly to: readonly string[]
  readonly text: string
  readonly isEncrypted: boolean
}
export type SmtpSink = AsyncDisposable & { readonly port: number; readonly taken: TakenMail[] }

export async function smtpSink(
  at: { readonly address?: string; readonly port?: number } = {},
  certificate?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<SmtpSink> {
  const taken: TakenMail[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    converse(socket, false, true)
  })

  function converse(socket: Socket, isEncrypted: boolean, greets: boolean): void {
    let [from, text, rest] = ['', '', '']
    let to: string[] = []
    let isData = false
    const say = (line: string): void => void socket.write(`${line}\r\n`)
    const onLine = (line: string): void => {
      if (isData) {
        if (line !== '.') text += `${line}\n`
        else {
          taken.push({ from, to, text, isEncrypted })
          isData = false
          say('250 taken')
        }
      } else if (/^EHLO/i.test(line)) {
        say('250-sink')
        say(certificate === undefined || isEncrypted ? '250 8BITMIME' : '250 STARTTLS')
      } else if (/^STARTTLS/i.test(line) && certificate !== undefined) {
        say('220 go on')
        socket.removeAllListeners('data')
        converse(
          new TLSSocket(socket, { isServer: true, ...certificate }).on('error', () => {}),
          true,
          false,
        )
      } else if (/^MAIL FROM:/i.test(line)) {
        from = /<(.*?)>/.exec(line)?.[1] ?? ''
        to = []
        text = ''
        say('250 ok')
      } else if (/^RCPT TO:/i.test(line)) {
        to.push(/<(.*?)>/.exec(line)?.[1] ?? '')
        say('250 ok')
      } else if (/^DATA/i.test(line)) {
        isData = true
        say('354 go on')
      } else if (/^QUIT/i.test(line)) {
        say('221 bye')
        socket.end()
      } else say('250 ok')
    }
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    })
    if (greets) say('220 sink')
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(at.port ?? 0, at.address ?? '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    taken,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
