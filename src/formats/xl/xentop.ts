/** `xentop -b -i 1 -f` read: what domains have used (xentop(1)). Pure. */

export type DomainUsage = {
  readonly name: string
  readonly cpuSeconds: number
  readonly memoryBytes: number
  /** As the guest sees it: the backend's TX is what the guest received. */
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number }
  readonly disk: { readonly readBytes: number; readonly writtenBytes: number }
}

const sectorBytes = 512

/**
 * NAME STATE CPU(sec) CPU(%) MEM(k) MEM(%) MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS VBD_OO VBD_RD VBD_WR
 * VBD_RSECT VBD_WSECT SSID. MAXMEM(k) may be the words "no limit", and its share "n/a"; names may hold blanks.
 */
const row =
  /^\s*(.*?)\s+([-a-z]{6})\s+(\d+)\s+[\d.]+\s+(\d+)\s+[\d.]+\s+(?:no limit|\d+)\s+(?:n\/a|[\d.]+)\s+\d+\s+\d+\s+(\d+)\s+(\d+)\s+\d+\s+\d+\s+\d+\s+\d+\s+(\d+)\s+(\d+)\s+\d+\s*$/

export function parseXentop(text: string): DomainUsage[] {
  return text.split('\n').flatMap((line) => {
    const [, name, , seconds, memory, sent, received, read, written] = row.exec(line) ?? []
    if (name === undefined) return []
    return [
      {
        name,
        cpuSeconds: Number(seconds),
        memoryBytes: Number(memory) * 1024,
        network: { receivedBytes: Number(sent) * 1024, sentBytes: Number(received) * 1024 },
        disk: { readBytes: Number(read) * sectorBytes, writtenBytes: Number(written) * sectorBytes },
      },
    ]
  })
}
