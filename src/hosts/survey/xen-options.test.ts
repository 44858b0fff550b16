import { describe, expect, test } from 'vitest'
import { misspelledXenOptions, xenLinesOfGrub } from './xen-options.ts'

describe("the hypervisor's command line", () => {
  // biome-ignore format: one row each
  test.each([
    ['dom0_mem=512M,max=512M', 'dom0_mem=512M,max:512M'],
    ['dom0_max-vcpus=1', 'dom0_max_vcpus=1'],
    ['dom0-mem=1G', 'dom0_mem=1G'],
    ['dom0_memory=1G', 'dom0_mem=1G'],
    ['dom0_vcpu_pin', 'dom0_vcpus_pin'],
    ['DOM0_MEM=1G', 'dom0_mem=1G'],
    ['dom0_mem=512', 'dom0_mem=512M'],
    ['dom0_mem=min:1G,max:2048', 'dom0_mem=min:1G,max:2048M'],
    ['dom0_mem=1G, max:1G', 'no blank after the comma'],
    ['loglevel=all', 'loglvl=all'],
  ])('%s is explained: %s', (line, instead) => {
    expect(misspelledXenOptions(line).map((found) => found.instead)).toEqual([instead])
  })

  test.each(['dom0_mem=2G,max:2G dom0_max_vcpus=1-4 dom0_vcpus_pin', 'dom0_mem=25%', 'loglvl=all noreboot', ''])(
    '%j is right',
    (line) => {
      expect(misspelledXenOptions(line)).toEqual([])
    },
  )

  test('is found in the files of GRUB, and not in what Linux is given', () => {
    const files = {
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX="dom0_mem=1"\nGRUB_CMDLINE_XEN="dom0_mem=1G"\n#GRUB_CMDLINE_XEN="x"\n',
      '/etc/default/grub.d/x.cfg': "GRUB_CMDLINE_XEN_DEFAULT='noreboot'\n",
    }
    expect(xenLinesOfGrub(files)).toEqual([
      { path: '/etc/default/grub', line: 'dom0_mem=1G' },
      { path: '/etc/default/grub.d/x.cfg', line: 'noreboot' },
    ])
  })
})
