/** MariaDB, PostgreSQL, Redis and OpenLDAP, each with one user `ann`. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, type Started, serving } from './process.ts'

export const login = { user: 'ann', password: "pen'cil" }
export const base = 'dc=shop,dc=example'
export const directoryLogin = { user: `cn=ann,${base}`, password: 'pencil' }

export function mariadb(): Promise<Started<{ port: number }>> {
  return serving('mariadb', async (room) => {
    const [port = 0] = await freePorts(1)
    const { cert, key } = await room.certificate()
    const data = join(room.path, 'data')
    const common = ['--no-defaults', `--datadir=${data}`, '--user=root']
    await room.run('mariadb-install-db', [...common, '--skip-test-db', '--auth-root-authentication-method=normal'])
    const sql = await room.file(
      'init.sql',
      `CREATE DATABASE shop;\nCREATE TABLE shop.empty (a INT);\nCREATE USER ann@'127.0.0.1' IDENTIFIED BY "${login.password}";\nGRANT ALL ON shop.* TO ann@'127.0.0.1';\nFLUSH PRIVILEGES;\n`,
    )
    const network = [
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--socket=${room.path}/socket`,
      '--skip-name-resolve',
    ]
    const small = ['--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0', '--innodb-log-file-size=4M']
    const files = [`--init-file=${sql}`, `--ssl-cert=${cert}`, `--ssl-key=${key}`, `--pid-file=${room.path}/pid`]
    await room.start('mariadbd', [...common, ...network, ...small, ...files], { ports: [port] })
    return { port }
  })
}

/** Debian keeps the programs of each version apart. */
async function postgresPrograms(): Promise<string> {
  const [version] = (await readdir('/usr/lib/postgresql')).sort((a, b) => Number(b) - Number(a))
  return `/usr/lib/postgresql/${version}/bin`
}

export function postgres(): Promise<Started<{ port: number }>> {
  return serving('postgres', async (room) => {
    const [port = 0] = await freePorts(1)
    const programs = await postgresPrograms()
    const user = process.getuid?.() === 0 ? 'postgres' : undefined
    const { cert, key } = await room.certificate()
    const data = join(room.path, 'data')
    if (user !== undefined) await room.run('chown', ['-R', user, room.path])
    await room.run('chmod', ['600', key])
    const password = await room.file('password', `${login.password}\n`)
    const init = [
      '-D',
      data,
      '-U',
      'ann',
      '--auth=scram-sha-256',
      `--pwfile=${password}`,
      '--no-sync',
      '--no-instructions',
    ]
    await room.run(`${programs}/initdb`, init, { user })
    const settings = {
      unix_socket_directories: room.path,
      listen_addresses: '127.0.0.1',
      fsync: 'off',
      shared_buffers: '1MB',
      ssl: 'on',
      ssl_cert_file: cert,
      ssl_key_file: key,
    }
    const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    await room.start(`${programs}/postgres`, ['-D', data, '-p', String(port), ...words], { ports: [port], user })
    // It takes connections before it takes logins.
    await room.until(`${programs}/pg_isready`, ['-h', '127.0.0.1', '-p', String(port)])
    return { port }
  })
}

export function redis(): Promise<Started<{ port: number; tlsPort: number }>> {
  return serving('redis', async (room) => {
    const [port = 0, tlsPort = 0] = await freePorts(2)
    const { cert, key } = await room.certificate()
    const configuration = [
      'bind 127.0.0.1',
      `port ${port}`,
      `tls-port ${tlsPort}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      'tls-auth-clients no',
      'save ""',
      `dir ${room.path}`,
      'user default on nopass +ping +role',
      'user ann on >pencil ~* +@all',
    ]
    const file = await room.file('redis.conf', `${configuration.join('\n')}\n`)
    await room.start('redis-server', [file], { ports: [port, tlsPort] })
    return { port, tlsPort }
  })
}

export function slapd(): Promise<Started<{ port: number; tlsPort: number }>> {
  return serving('slapd', async (room) => {
    const [port = 0, tlsPort = 0] = await freePorts(2)
    const { cert, key } = await room.certificate()
    const schemas = ['core', 'cosine'].map((name) => `include /etc/ldap/schema/${name}.schema`)
    const configuration = [
      ...schemas,
      `pidfile ${room.path}/pid`,
      `TLSCertificateFile ${cert}`,
      `TLSCertificateKeyFile ${key}`,
      'database ldif',
      `suffix "${base}"`,
      `rootdn "${directoryLogin.user}"`,
      `rootpw ${directoryLogin.password}`,
      `directory ${room.path}`,
    ]
    const file = await room.file('slapd.conf', `${configuration.join('\n')}\n`)
    const entry = `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: Shop\ndc: shop\n`
    await room.run('slapadd', ['-f', file, '-l', await room.file('shop.ldif', entry)])
    const listen = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tlsPort}`
    await room.start('slapd', ['-f', file, '-h', listen, '-d', '0'], { ports: [port, tlsPort] })
    return { port, tlsPort }
  })
}
