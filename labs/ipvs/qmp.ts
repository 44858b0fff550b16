/** QEMU's monitor, as far as labs need it: commands whose answer is only that they were done. */
import { connect } from 'node:net'

export type Monitor = { tell(command: string, words?: object): Promise<void>; close(): void }

/** Connects to a QMP socket. Commands are answered in order. */
export async function openMonitor(path: string): Promise<Monitor> {
  const socket = connect(path)
  const waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  let heard = ''
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
    const lines = heard.split('\n')
    heard = lines.pop() ?? ''
    for (const line of lines) {
      if (/^\{"(return|QMP)"/.test(line)) waiting.shift()?.resolve()
      else if (line.startsWith('{"error"')) waiting.shift()?.reject(new Error(line))
    }
  })
  const failed = (error: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  socket.on('error', failed)
  socket.on('close', () => failed(new Error('QEMU has closed its monitor')))
  const answer = async (): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ resolve, reject })
    })
  const tell = async (command: string, words: object = {}): Promise<void> => {
    socket.write(`${JSON.stringify({ execute: command, arguments: words })}\n`)
    await answer()
  }
  await answer()
  await tell('qmp_capabilities')
  return { tell, close: () => void socket.destroy() }
}
