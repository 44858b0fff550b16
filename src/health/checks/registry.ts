/** From a probe's spec to the probe. */
import type { Probe, ProbeSpec } from '../check.ts'
import { httpProbe } from './http.ts'
import { tcpProbe } from './tcp.ts'

export function openProbe(spec: ProbeSpec): Probe {
  switch (spec.kind) {
    case 'tcp':
      return tcpProbe()
    case 'http':
      return httpProbe(spec)
  }
}
