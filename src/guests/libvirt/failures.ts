/** What libvirt answers instead of a result, as Baton's own errors: callers decide by code. */
import { type InfraCode, InfraError } from '../../errors.ts'
import type { Value } from '../../wire/libvirt/notation.ts'

/** virErrorNumber (libvirt/virterror.h), as far as it says more than that something failed. */
const codes: Readonly<Record<number, InfraCode>> = {
  3: 'unsupported', // VIR_ERR_NO_SUPPORT
  5: 'unsupported', // VIR_ERR_NO_CONNECT: no such driver
  8: 'invalid', // VIR_ERR_INVALID_ARG
  27: 'invalid', // VIR_ERR_XML_ERROR
  29: 'permission', // VIR_ERR_OPERATION_DENIED: a read-only connection
  35: 'invalid', // VIR_ERR_XML_DETAIL
  42: 'not-found', // VIR_ERR_NO_DOMAIN
  43: 'not-found', // VIR_ERR_NO_NETWORK
  45: 'permission', // VIR_ERR_AUTH_FAILED
  49: 'not-found', // VIR_ERR_NO_STORAGE_POOL
  50: 'not-found', // VIR_ERR_NO_STORAGE_VOL
  55: 'invalid', // VIR_ERR_OPERATION_INVALID: the guest's state does not allow it
  67: 'unsupported', // VIR_ERR_CONFIG_UNSUPPORTED
  68: 'timeout', // VIR_ERR_OPERATION_TIMEOUT
  72: 'not-found', // VIR_ERR_NO_DOMAIN_SNAPSHOT
  74: 'unsupported', // VIR_ERR_ARGUMENT_UNSUPPORTED
  79: 'permission', // VIR_ERR_AUTH_CANCELLED
  80: 'not-found', // VIR_ERR_NO_DOMAIN_METADATA
  84: 'unsupported', // VIR_ERR_OPERATION_UNSUPPORTED
  86: 'unreachable', // VIR_ERR_AGENT_UNRESPONSIVE
  87: 'busy', // VIR_ERR_RESOURCE_BUSY
  88: 'permission', // VIR_ERR_ACCESS_DENIED
  90: 'already-exists', // VIR_ERR_STORAGE_VOL_EXIST
  94: 'permission', // VIR_ERR_AUTH_UNAVAILABLE
  99: 'not-found', // VIR_ERR_DEVICE_MISSING
}

/** VIR_ERR_SYSTEM_ERROR carries errno. */
const systemError = 38
const byErrno: Readonly<Record<number, InfraCode>> = {
  1: 'permission',
  2: 'not-found',
  13: 'permission',
  16: 'busy',
  17: 'already-exists',
  28: 'no-space',
}

/** `what` is a verb phrase, `subject` what it was done to. */
export function libvirtFailure(error: Value<'error'>, what: string, subject: string): InfraError {
  const code = error.code === systemError ? byErrno[error.int1] : codes[error.code]
  const hint = hintFor(error)
  return new InfraError(code ?? 'failed', `${what}: libvirt says: ${error.message ?? `error ${error.code}`}`, {
    subject,
    ...(hint === undefined ? {} : { hint }),
  })
}

function hintFor({ code, int1, message = '' }: Value<'error'>): string | undefined {
  if (code === 45 || code === 94 || (code === 1 && /system bus/.test(message ?? '')))
    return 'be a member of the group libvirt, or root'
  if (code === systemError && int1 === 13 && /storage file|open/.test(message ?? ''))
    return 'the user that QEMU runs as must be able to enter every directory above the file (chmod o+x)'
  if (/cannot execute binary \S*\/(pvs|vgs|vgchange|lvs|lvcreate)\b/.test(message ?? ''))
    return 'install the package lvm2 there'
  if (/dnsmasq/.test(message ?? '')) return 'install dnsmasq there (dnsmasq-base on Debian and Ubuntu)'
  if (/network '.*' is not active/.test(message ?? '')) return 'virsh net-start NAME starts it'
  return undefined
}
