/** vsftpd (FTP), FreeRADIUS, and SIPp as a SIP server. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProbeSpec } from '../../src/health/check.ts'
import { openProbe } from '../../src/health/checks/registry.ts'
import { freePorts, type Started, serving } from './process.ts'

export function vsftpd(): Promise<Started<{ port: number; tlsPort: number }>> {
  return serving('vsftpd', async (room) => {
    const [port = 0, tlsPort = 0] = await freePorts(2)
    const { cert, key } = await room.certificate()
    await mkdir(join(room.path, 'files'), { mode: 0o755 })
    await mkdir(join(room.path, 'empty'), { mode: 0o555 })
    await room.file('files/state', 'all is well\n')
    const common = `
listen=YES
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
local_enable=NO
anon_root=${room.path}/files
secure_chroot_dir=${room.path}/empty
ftp_username=ftp
seccomp_sandbox=NO
ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file=${cert}
rsa_private_key_file=${key}
`
    const plain = await room.file('plain.conf', `${common}listen_port=${port}\n`)
    const secure = await room.file(
      'secure.conf',
      `${common}listen_port=${tlsPort}\nimplicit_ssl=YES\nforce_anon_data_ssl=YES\n`,
    )
    await room.start('vsftpd', [plain], { ports: [port] })
    await room.start('vsftpd', [secure], { ports: [tlsPort] })
    return { port, tlsPort }
  })
}

export const radiusLogin = { user: 'ann', password: 'a pencil of more than sixteen bytes' }
export const radiusSecret = 'shop secret'

/** Servers of datagrams are there when they answer. */
async function answers(spec: ProbeSpec, port: number): Promise<void> {
  for (let count = 0; count < 300; count++) {
    const signal = AbortSignal.timeout(500)
    if ((await openProbe(spec)({ address: '127.0.0.1', port }, { signal })).healthy) return
    await sleep(50)
  }
  throw new Error(`the ${spec.kind} server does not answer`)
}

export function freeradius(): Promise<Started<{ port: number }>> {
  return serving('freeradius', async (room) => {
    const [port = 0] = await freePorts(1)
    const configuration = `
prefix = /usr
localstatedir = ${room.path}
raddbdir = ${room.path}
logdir = ${room.path}
run_dir = ${room.path}
libdir = /usr/lib/freeradius
pidfile = ${room.path}/pid
max_requests = 256
security {
  allow_vulnerable_openssl = yes
}
client all {
  ipaddr = 127.0.0.0/8
  secret = "${radiusSecret}"
  require_message_authenticator = yes
}
modules {
  pap {
  }
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${port}
  }
  authorize {
    if (&User-Name == "ann") {
      update control {
        &Cleartext-Password := "${radiusLogin.password}"
      }
    }
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
}
`
    await room.file('radiusd.conf', configuration)
    await room.start('freeradius', ['-f', '-l', 'stdout', '-d', room.path, '-n', 'radiusd'], { ports: [] })
    await answers({ kind: 'radius', login: radiusLogin, secret: radiusSecret, accept: ['accept'] }, port)
    return { port }
  })
}

/** Answers OPTIONS with 200; `transport` is one letter of SIPp's -t. */
export function sipp(): Promise<Started<{ port: number; tcpPort: number }>> {
  return serving('sipp', async (room) => {
    const [port = 0, tcpPort = 0] = await freePorts(2)
    const scenario = `<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="options">
  <recv request="OPTIONS" crlf="true"></recv>
  <send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
</scenario>
`
    const file = await room.file('options.xml', scenario)
    const words = (transport: string, port: number): string[] => [
      '-sf',
      file,
      '-i',
      '127.0.0.1',
      '-p',
      String(port),
      '-t',
      transport,
      '-nostdin',
      '-timeout',
      '600',
    ]
    const environment = { TERM: 'dumb' }
    await room.start('sipp', words('u1', port), { ports: [], environment })
    await room.start('sipp', words('t1', tcpPort), { ports: [tcpPort], environment })
    await answers({ kind: 'sip', transport: 'udp', user: 'probe', status: [200] }, port)
    return { port, tcpPort }
  })
}
