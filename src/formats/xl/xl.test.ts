import { describe, expect, test } from 'vitest'
import { parseXenInfo } from './info.ts'
import { parseDomains } from './list.ts'
import { parseXentop } from './xentop.ts'

const uuid = '18971b4d-5d7a-4a8e-8a55-0ec7f2a8a0aa'
const row = (name: string, flags: string, reason = '-'): string =>
  `${name.padEnd(40)}     8   128     1     ${flags}       6.1 ${uuid}                ${reason}               -`

describe('what xl prints', () => {
  test.each([
    ['-b----', '-', 'running', undefined],
    ['------', '-', 'running', undefined],
    ['--p---', '-', 'paused', undefined],
    ['--ps--', '0', 'shutdown', 0],
    ['---s--', '-', 'shutdown', 0],
    ['---sr-', '1', 'shutdown', 1],
    ['---sc-', '3', 'crashed', 3],
    ['-----d', '-', 'dying', undefined],
  ])('a domain with the flags %s (reason %s) is %s', (flags, reason, state, shutdownReason) => {
    expect(parseDomains(row('lpic', flags, reason))).toEqual([
      { name: 'lpic', id: 8, memoryMebibytes: 128, vcpus: 1, state, cpuSeconds: 6.1, uuid, shutdownReason },
    ])
  })

  test('names may hold blanks and letters of any kind; the header is no domain', () => {
    const header =
      'Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID  Reason-Code\tSecurity Label'
    expect(parseDomains([header, row('two words 7', '-b----'), row('grün', 'r-----'), ''].join('\n'))).toMatchObject([
      { name: 'two words 7' },
      { name: 'grün' },
    ])
  })

  test('xl info is read by its keys', () => {
    const text = `host                   : dom0
nr_cpus                : 2
virt_caps              : pv hvm hap gnttab-v1
free_memory            : 1502
xen_version            : 4.17.7
xen_commandline        : placeholder dom0_mem=1024M,max:1024M
`
    expect(parseXenInfo(text)).toEqual({
      version: '4.17.7',
      freeMemoryMebibytes: 1502,
      cpus: 2,
      capabilities: ['pv', 'hvm', 'hap', 'gnttab-v1'],
      commandLine: 'placeholder dom0_mem=1024M,max:1024M',
    })
  })

  test('xentop is read from the guest: what its card sent, the guest received', () => {
    const text = `      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS   VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID
  Domain-0 -----r        107    0.0    1572864   50.0   no limit       n/a     1    0        0        0    0        0        0        0          0          0    0
      lpic --b---          6    0.0     131072    4.2     262144       8.3     2    1       12       34    1        0       77        5       4096         16    0
`
    expect(parseXentop(text)).toEqual([
      expect.objectContaining({ name: 'Domain-0', cpuSeconds: 107, memoryBytes: 1572864 * 1024 }),
      {
        name: 'lpic',
        cpuSeconds: 6,
        memoryBytes: 131072 * 1024,
        network: { receivedBytes: 12 * 1024, sentBytes: 34 * 1024 },
        disk: { readBytes: 4096 * 512, writtenBytes: 16 * 512 },
      },
    ])
  })
})
