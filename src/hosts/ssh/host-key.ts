/** Whether a host is who it says: its key held against the known_hosts files, with words for those who have to mend it. */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { InfraError } from '../../errors.ts'
import { type HostKey, judgeKey, type KnownKey, knownName, knownTypes, parseKnownHosts } from './known-hosts.ts'
import type { SshSettings } from './settings.ts'

/** How each type of key may sign. RSA with SHA-1 is not among them. */
const signatures: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
}

export type KnownHost = {
  /** What the host is asked to sign with, best first: types by which it is known before others. */
  readonly algorithms: readonly string[]
  /** Resolves when the key is right. @throws InfraError `permission` when it is not, or not known. */
  judge(key: Buffer): Promise<void>
}

export async function knownHost(settings: SshSettings): Promise<KnownHost> {
  const { userKnownHosts, globalKnownHosts } = settings
  const files = await Promise.all([...userKnownHosts, ...globalKnownHosts].map(readEntries))
  const entries = files.flat()
  const names = namesOf(settings)
  const types = knownTypes(entries, names)
  const order = [...types, ...Object.keys(signatures).filter((type) => !types.includes(type))]
  return {
    algorithms: order.flatMap((type) => signatures[type] ?? []),
    async judge(blob) {
      const key: HostKey = { type: keyType(blob), key: blob.toString('base64') }
      const verdict = judgeKey(entries, names, key)
      if (verdict.kind === 'known') return
      if (verdict.kind === 'unknown' && settings.acceptsNew) return accept(settings, key)
      throw refusal(settings, key, verdict)
    },
  }
}

function namesOf({ keyAlias, host, port }: SshSettings): string[] {
  return [keyAlias === undefined ? knownName(host, port) : keyAlias.toLowerCase()]
}

/** RFC 4253, section 6.6: a key blob begins with its type as a string. */
function keyType(blob: Buffer): string {
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1')
}

function refusal(
  settings: SshSettings,
  { type, key }: HostKey,
  verdict: Exclude<ReturnType<typeof judgeKey>, { readonly kind: 'known' }>,
): InfraError {
  const [name = ''] = namesOf(settings)
  const line = `${name} ${type} ${key}`
  const refuse = (message: string, hint: string): InfraError =>
    new InfraError('permission', message, { subject: settings.host, hint })
  switch (verdict.kind) {
    case 'revoked':
      return refuse(`the key of ${name} is revoked in ${verdict.place}`, 'do not connect before you know why')
    case 'changed':
      return refuse(
        `the ${type} key of ${name} is not the one in ${verdict.place}: another machine answers, or it was installed anew`,
        `when you know that it was: ssh-keygen -R '${name}', then add: ${line}`,
      )
    case 'other-types':
      return refuse(
        `${name} is known by another kind of key (${verdict.types.join(', ')}) than the ${type} key it shows`,
        `when this key is right, add to ${settings.userKnownHosts[0] ?? '~/.ssh/known_hosts'}: ${line}`,
      )
    case 'unknown':
      return refuse(
        `${name} is not a known host`,
        `compare its key with the machine's own (ssh-keygen -lf), then add to ${settings.userKnownHosts[0] ?? '~/.ssh/known_hosts'}: ${line}`,
      )
  }
}

async function accept(settings: SshSettings, { type, key }: HostKey): Promise<void> {
  const [file] = settings.userKnownHosts
  if (file === undefined) return
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await appendFile(file, `${namesOf(settings).join(',')} ${type} ${key}\n`, { mode: 0o600 })
}

async function readEntries(file: string): Promise<KnownKey[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new InfraError('permission', `read ${file}: ${error.code}`, { subject: file, cause: error })
  })
  return parseKnownHosts(text, file)
}
