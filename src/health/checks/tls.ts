/** Check `tls`: a handshake, and how many days the server's certificate still lasts. */
import { formatEndpoint } from '../../lvs/service.ts'
import type { Probe, TlsCheckSpec } from '../check.ts'
import { connectTlsFrom } from './outgoing.ts'
import { down, failed, probing, tlsOptions } from './verdict.ts'

const dayMs = 86_400_000

export function tlsProbe(spec: TlsCheckSpec): Probe {
  return (target, { signal, from }) =>
    probing(
      signal,
      () => down(`${formatEndpoint(target)}: no TLS handshake in time`),
      (end) => {
        const options = tlsOptions(spec, undefined)
        const socket = connectTlsFrom(target, from, options)
        socket.once('secureConnect', () => {
          const { valid_to } = socket.getPeerCertificate()
          const endsAt = Date.parse(valid_to)
          if (Number.isNaN(endsAt)) return end(down('the server shows no certificate'))
          const days = Math.floor((endsAt - Date.now()) / dayMs)
          const detail = days < 0 ? `the certificate ended on ${valid_to}` : `the certificate lasts ${days} more days`
          end({ healthy: days >= spec.minimumDays, detail, report: { certificateDays: days } })
        })
        socket.on('error', (error) => end(failed(formatEndpoint(target), error)))
        return () => socket.destroy()
      },
    )
}
