/** One page, asked for as keepalived's checkers ask: what came, parted in its head and the page. */
import type { Socket } from 'node:net'
import { connectFrom, connectTlsFrom } from '../../health/checks/outgoing.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { HashCall } from './arguments.ts'

/** `page`: the bytes after the head as they came, until the server closes. */
export type Page = { readonly head: Buffer; readonly page: Buffer }

/** More than any page whose digest is meant. */
const mostBytes = 256 * 1024 * 1024
const headEnd = '\r\n\r\n'

/** @throws Error when it cannot be had whole. */
export function fetchPage(call: HashCall): Promise<Page> {
  return new Promise((resolve, reject) => {
    const socket = open(call)
    const parts: Buffer[] = []
    let bytes = 0
    const fail = (message: string): void => {
      socket.destroy()
      reject(new Error(message))
    }
    const timer = setTimeout(() => fail(`nothing came within ${call.timeoutMs / 1000} s`), call.timeoutMs)
    socket.once('close', () => clearTimeout(timer))
    socket.once(call.isSecure ? 'secureConnect' : 'connect', () => socket.write(requestOf(call)))
    socket.on('data', (part: Buffer) => {
      timer.refresh()
      parts.push(part)
      bytes += part.length
      if (bytes > mostBytes) fail(`the page is larger than ${mostBytes} bytes`)
    })
    socket.once('error', (error: Error) => fail(error.message))
    socket.once('end', () => {
      const all = Buffer.concat(parts)
      const at = all.indexOf(headEnd)
      if (at < 0) return fail('what came is no HTTP')
      const from = at + headEnd.length
      socket.destroy()
      resolve({ head: all.subarray(0, from), page: all.subarray(from) })
    })
  })
}

function open({ address, port, mark, isSecure, namesServer, host }: HashCall): Socket {
  const from = mark === undefined ? undefined : { mark }
  if (!isSecure) return connectFrom({ address, port }, from)
  const name = namesServer && host !== undefined ? { servername: host } : {}
  // It looks at the page, not at who the server is: as the checkers do.
  return connectTlsFrom({ address, port }, from, { rejectUnauthorized: false, ...name })
}

function requestOf({ path, protocol, host, address, port }: HashCall): string {
  return [
    `GET ${path} HTTP/${protocol === '1.1' ? '1.1' : '1.0'}`,
    'User-Agent: KeepAliveClient',
    ...(protocol === '1.0' ? [] : ['Connection: close']),
    `Host: ${host ?? formatEndpoint({ address, port })}`,
    '',
    '',
  ].join('\r\n')
}
