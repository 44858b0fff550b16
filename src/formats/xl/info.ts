/** `xl info` read: one `key : value` for a line. Pure. */

export type XenInfo = {
  readonly version: string
  readonly freeMemoryMebibytes: number
  readonly cpus: number
  /** What guests it can run: `pv`, `hvm`, `hap` …; empty where the hypervisor does not say. */
  readonly capabilities: readonly string[]
  readonly commandLine: string
}

export function parseXenInfo(text: string): XenInfo {
  const values = new Map([...text.matchAll(/^(\S+)\s*:\s?(.*)$/gm)].map(([, key = '', value = '']) => [key, value]))
  const words = (key: string): string[] => (values.get(key) ?? '').split(' ').filter((word) => word !== '')
  return {
    version: values.get('xen_version') ?? 'unknown',
    freeMemoryMebibytes: Number(values.get('free_memory') ?? 0),
    cpus: Number(values.get('nr_cpus') ?? 0),
    capabilities: words('virt_caps'),
    commandLine: (values.get('xen_commandline') ?? '').trim(),
  }
}
