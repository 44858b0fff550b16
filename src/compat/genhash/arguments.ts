/** genhash's command line. Pure. */
import { parseArgs } from 'node:util'
import { parseAddress, parsePort } from '../../lvs/address.ts'

export type HashCall = {
  readonly address: string
  readonly port: number
  readonly path: string
  readonly host?: string
  readonly isSecure: boolean
  readonly namesServer: boolean
  readonly protocol: '1.0' | '1.0c' | '1.1'
  readonly mark?: number
  readonly timeoutMs: number
  readonly isVerbose: boolean
}

export type HashWords = HashCall | 'help' | { readonly wrong: string }

const options = {
  'use-ssl': { type: 'boolean', short: 'S' },
  'use-sni': { type: 'boolean', short: 'I' },
  server: { type: 'string', short: 's' },
  port: { type: 'string', short: 'p' },
  url: { type: 'string', short: 'u' },
  'use-virtualhost': { type: 'string', short: 'V' },
  verbose: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  fwmark: { type: 'string', short: 'm' },
  protocol: { type: 'string', short: 'P' },
  timeout: { type: 'string', short: 't' },
} as const

const defaultTimeoutSeconds = 5
const mostMark = 4_294_967_295

export function readHashWords(words: readonly string[]): HashWords {
  const read = parsed(words)
  if ('wrong' in read) return read
  const { values } = read
  if (values.help === true) return 'help'
  const { server = '', port = '', url = '', protocol = '1.0', fwmark, 'use-virtualhost': host } = values
  const seconds = Number(values.timeout ?? defaultTimeoutSeconds)
  const address = parseAddress(server)
  const number = parsePort(port)
  const mark = fwmark === undefined ? undefined : Number(fwmark)
  if (server === '' || port === '' || url === '')
    return { wrong: 'expected the server’s address (-s), its port (-p) and a path (-u)' }
  if (address === undefined) return { wrong: `server should be an IP, not ${server}` }
  if (number === undefined) return { wrong: `invalid port number '${port}'` }
  if (protocol !== '1.0' && protocol !== '1.0c' && protocol !== '1.1')
    return { wrong: `invalid HTTP protocol version '${protocol}'` }
  if (!(seconds > 0)) return { wrong: `invalid timeout '${values.timeout ?? ''}'` }
  if (mark !== undefined && !(Number.isInteger(mark) && mark >= 0 && mark <= mostMark))
    return { wrong: `invalid fwmark '${fwmark ?? ''}'` }
  return {
    address,
    port: number,
    path: url,
    isSecure: values['use-ssl'] === true,
    namesServer: values['use-sni'] === true,
    protocol,
    timeoutMs: Math.round(seconds * 1000),
    isVerbose: values.verbose === true,
    ...(host === undefined ? {} : { host }),
    ...(mark === undefined ? {} : { mark }),
  }
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options })
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) }
  }
}

export const hashHelp = `Usage: genhash [-S [-I]] -s ADDRESS -p PORT -u PATH [OPTION...]
Prints the MD5 digest of a page, as digest in a url block of HTTP_GET and SSL_GET has it.

  -s, --server=ADDRESS          where it is asked for
  -p, --port=PORT
  -u, --url=PATH
  -V, --use-virtualhost=NAME    the host that is asked for; ADDRESS:PORT when left out
  -S, --use-ssl                 over TLS, whatever certificate the server has; -I, --use-sni: NAME is said there, too
  -P, --protocol=VERSION        1.0 (when left out), 1.0c (with Connection: close), 1.1
  -t, --timeout=SECONDS         5 when left out
  -m, --fwmark=MARK             a firewall mark for its packets
  -v, --verbose                 all that came, too
  -h, --help                    this text
`
