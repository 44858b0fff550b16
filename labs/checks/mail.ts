/** Dovecot (IMAP, POP3, and logins for others), Postfix (SMTP) and INN's reader (NNTP), with one user `ann`. */
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, idsOf, type Started, serving } from './process.ts'

export const mailLogin = { user: 'ann', password: 'pen"cil' }

type DovecotPorts = {
  readonly pop3: number
  readonly pop3s: number
  readonly imap: number
  readonly imaps: number
  /** Where Postfix asks whether a login is right. */
  readonly logins: number
}

export function dovecot(): Promise<Started<DovecotPorts>> {
  return serving('dovecot', async (room) => {
    const [pop3 = 0, pop3s = 0, imap = 0, imaps = 0, logins = 0] = await freePorts(5)
    const { cert, key } = await room.certificate()
    const { uid, gid } = await idsOf('nobody')
    const users = await room.file('users', `ann:{PLAIN}${mailLogin.password}\n`)
    const mail = join(room.path, 'mail')
    await mkdir(mail, { mode: 0o777 })
    await chmod(mail, 0o777)
    const listener = (service: string, name: string, plain: number, secure: number): string => `
service ${service}-login {
  inet_listener ${name} {
    port = ${plain}
  }
  inet_listener ${name}s {
    port = ${secure}
    ssl = yes
  }
}`
    const configuration = `
base_dir = ${room.path}/run
state_dir = ${room.path}
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl_cert = <${cert}
ssl_key = <${key}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:${mail}/%u
first_valid_uid = ${uid}
passdb {
  driver = passwd-file
  args = ${users}
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${mail}/%u
}
service auth {
  inet_listener {
    port = ${logins}
  }
}
${listener('imap', 'imap', imap, imaps)}
${listener('pop3', 'pop3', pop3, pop3s)}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
# Whoever logs in wrongly is not made to wait: tests do it on purpose.
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`
    const file = await room.file('dovecot.conf', configuration)
    await room.start('dovecot', ['-F', '-c', file], { ports: [pop3, pop3s, imap, imaps, logins] })
    return { pop3, pop3s, imap, imaps, logins }
  })
}

/** What `postfix check` would make, in seconds. */
const queues = [
  'active',
  'bounce',
  'corrupt',
  'defer',
  'deferred',
  'flush',
  'hold',
  'incoming',
  'maildrop',
  'pid',
  'private',
  'public',
  'saved',
  'trace',
]

export function postfix(logins: number): Promise<Started<{ port: number; tlsPort: number }>> {
  return serving('postfix', async (room) => {
    const [port = 0, tlsPort = 0] = await freePorts(2)
    const { cert, key } = await room.certificate()
    const { uid, gid } = await idsOf('postfix')
    const [queue, data] = [join(room.path, 'queue'), join(room.path, 'data')]
    for (const name of queues) await mkdir(join(queue, name), { recursive: true })
    await mkdir(data)
    await room.run('chown', ['-R', `${uid}:${gid}`, data, ...queues.map((name) => join(queue, name))])
    await room.run('chown', ['root', join(queue, 'pid')])
    await room.file(
      'main.cf',
      `
compatibility_level = 3.6
queue_directory = ${queue}
data_directory = ${data}
maillog_file = ${room.path}/log
maillog_file_prefixes = ${room.path}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.shop.example
mydestination =
local_transport = error:none
alias_maps =
alias_database =
smtpd_relay_restrictions = reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = ${key}, ${cert}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:${logins}
smtpd_client_connection_rate_limit = 0
`,
    )
    await room.file(
      'master.cf',
      `
127.0.0.1:${port} inet n - n - - smtpd
127.0.0.1:${tlsPort} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
error unix - - n - - error
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`,
    )
    await room.start('/usr/lib/postfix/sbin/master', ['-c', room.path, '-d'], { ports: [port, tlsPort] })
    return { port, tlsPort }
  })
}

/** INN's reader, without the server that it reads for: it has groups, and takes no articles. */
export function inn(): Promise<Started<{ port: number }>> {
  return serving('inn', async (room) => {
    const [port = 0] = await freePorts(1)
    const paths = ['db', 'etc', 'run', 'log', 'spool', 'tmp', 'archive', 'articles', 'incoming', 'outgoing', 'overview']
    for (const name of paths) await mkdir(join(room.path, name))
    const of = (name: string): string => join(room.path, name)
    const { cert, key } = await room.certificate()
    const configuration = `
mta: "/bin/true"
pathhost: news.shop.example
domain: shop.example
organization: Shop
hismethod: hisv6
enableoverview: true
ovmethod: tradindexed
pathnews: /usr/lib/news
pathbin: /usr/lib/news/bin
pathdb: ${of('db')}
pathetc: ${of('etc')}
pathrun: ${of('run')}
pathlog: ${of('log')}
pathspool: ${of('spool')}
pathtmp: ${of('tmp')}
patharchive: ${of('archive')}
patharticles: ${of('articles')}
pathincoming: ${of('incoming')}
pathoutgoing: ${of('outgoing')}
pathoverview: ${of('overview')}
readerswhenstopped: true
tlscertfile: ${cert}
tlskeyfile: ${key}
tlscafile: ${cert}
runasuser: news
runasgroup: news
`
    const file = await room.file('inn.conf', configuration)
    await room.file('db/active', 'shop.news 0000000003 0000000001 y\n')
    await room.file('db/newsgroups', 'shop.news\tNews\n')
    await room.file('db/active.times', '')
    await room.file(
      'etc/readers.conf',
      'auth "all" {\n  hosts: "*"\n  default: "guest"\n}\naccess "all" {\n  users: "*"\n  newsgroups: "*"\n}\n',
    )
    await room.file('etc/storage.conf', 'method trash {\n  newsgroups: *\n  class: 0\n}\n')
    const environment = { INNCONF: file }
    const user = 'news'
    await room.run('chown', ['-R', `${user}:${user}`, room.path])
    await room.run('/usr/lib/news/bin/makehistory', ['-O'], { environment, user })
    const words = ['-D', '-f', '-4', '127.0.0.1', '-p', String(port)]
    await room.start('/usr/lib/news/bin/nnrpd', words, { ports: [port], environment, user })
    return { port }
  })
}
