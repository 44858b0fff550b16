/** Certificates as files: read with a service, and again when they change. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { describeError, InfraError, isInfraError } from '../../errors.ts'
import type { Certificate } from '../../lvs/application.ts'
import type { ApplicationReport } from './calls.ts'
import { namesOf } from './certificate-names.ts'

type LoadedCertificate = {
  readonly files: Certificate
  readonly names: readonly string[]
  readonly pem: { readonly cert: string; readonly key: string }
  readonly context: SecureContext
}

/** A service's certificates as they serve now. */
export type CertificateSet = {
  readonly service: string
  current: readonly LoadedCertificate[]
  /** What the files looked like when they were last read, well or not. */
  readonly seen: Map<Certificate, string>
}

export const lowestTlsVersion = 'TLSv1.2'

/** @throws InfraError naming the file that is missing (`not-found`), not readable (`permission`) or no good (`invalid`). */
export async function loadCertificates(service: string, all: readonly Certificate[]): Promise<CertificateSet> {
  const seen = new Map<Certificate, string>()
  const current: LoadedCertificate[] = []
  for (const files of all) {
    seen.set(files, await appearance(files))
    current.push(await load(files))
  }
  return { service, current, seen }
}

/** Reads again what has changed. A pair that is no good, or not complete yet, leaves the old one serving, and is told once. */
export async function reloadChanged(
  set: CertificateSet,
  report: (report: ApplicationReport) => void,
): Promise<boolean> {
  let isChanged = false
  for (const [at, { files }] of set.current.entries()) {
    const now = await appearance(files)
    if (now === set.seen.get(files)) continue
    set.seen.set(files, now)
    try {
      const fresh = await load(files)
      set.current = set.current.with(at, fresh)
      isChanged = true
      report({ kind: 'certificate.reloaded', service: set.service, file: files.certificate })
    } catch (error) {
      const file = isInfraError(error) ? error.subject : files.certificate
      report({ kind: 'certificate.kept', service: set.service, file, reason: describeError(error) })
    }
  }
  return isChanged
}

export function isSameCertificates(set: CertificateSet, wanted: readonly Certificate[]): boolean {
  const same = (a: Certificate, b: Certificate | undefined): boolean =>
    a.certificate === b?.certificate && a.key === b.key
  return set.current.length === wanted.length && set.current.every(({ files }, at) => same(files, wanted[at]))
}

/** Follows symbolic links, as certificates are often exchanged by turning one. */
async function appearance({ certificate, key }: Certificate): Promise<string> {
  const parts = await Promise.all(
    [certificate, key].map((file) =>
      stat(file).then(
        ({ dev, ino, mtimeMs, size }) => `${dev} ${ino} ${mtimeMs} ${size}`,
        (error: unknown) => codeOf(error),
      ),
    ),
  )
  return parts.join('; ')
}

async function load(files: Certificate): Promise<LoadedCertificate> {
  const cert = await read(files.certificate)
  const key = await read(files.key)
  const x509 = parsed(files.certificate, 'certificate', () => new X509Certificate(cert))
  const privateKey = parsed(files.key, 'private key', () => createPrivateKey(key))
  if (!x509.checkPrivateKey(privateKey))
    throw new InfraError('invalid', `${files.key} is not the private key of ${files.certificate}`, {
      subject: files.key,
    })
  const options = { cert, key, minVersion: lowestTlsVersion } as const
  const context = parsed(files.certificate, 'certificate', () => createSecureContext(options))
  return { files, names: namesOf(x509.subjectAltName, x509.subject), pem: { cert, key }, context }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const errno = codeOf(error)
    const code = errno === 'ENOENT' ? 'not-found' : errno === 'EACCES' ? 'permission' : 'failed'
    throw new InfraError(code, `read ${file}: ${errno}`, { subject: file, cause: error })
  }
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    const hint = `it must be a ${what} in PEM form${what === 'private key' ? ', without a passphrase' : ''}`
    throw new InfraError('invalid', `${file} holds no usable ${what}`, { subject: file, hint, cause: error })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
