import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseXlDisk, printXlDisk, type XlDisk } from './disk.ts'
import { parseXlVif, printXlVif } from './vif.ts'

const disk = (change: Partial<XlDisk>): XlDisk => ({
  target: '/a.img',
  format: 'raw',
  vdev: 'xvda',
  isReadOnly: false,
  isCdrom: false,
  ...change,
})

describe('disks of an xl.cfg', () => {
  test.each<[string, XlDisk]>([
    ['/a.img,raw,xvda,rw', disk({})],
    ['/a.img,,xvda', disk({})],
    ['/a.img,xvda,w', disk({})],
    ['file:/a.img,xvda2,w', disk({ vdev: 'xvda2' })],
    ['phy:vg0/lv,xvda,r', disk({ target: '/dev/vg0/lv', isReadOnly: true })],
    ['phy:/dev/vg0/H-disk,xvda2,w', disk({ target: '/dev/vg0/H-disk', vdev: 'xvda2' })],
    ['tap:qcow2:/q,xvdc,w', disk({ target: '/q', format: 'qcow2', vdev: 'xvdc' })],
    ['/q.qcow2,qcow2,xvda', disk({ target: '/q.qcow2', format: 'qcow2' })],
    [
      ' format=qcow2, vdev=hdc , access=ro, devtype=cdrom, target=/c,d.iso',
      disk({ target: '/c,d.iso', format: 'qcow2', vdev: 'hdc', isReadOnly: true, isCdrom: true }),
    ],
    ['/c.iso,hdc:cdrom,r', disk({ target: '/c.iso', vdev: 'hdc', isReadOnly: true, isCdrom: true })],
    ['vdev=hdc,devtype=cdrom', disk({ target: '', vdev: 'hdc', isReadOnly: true, isCdrom: true })],
  ])('%s', (text, wanted) => {
    expect(parseXlDisk(text)).toEqual(wanted)
  })

  test('what is printed is read as it was', () => {
    const target = fc.string().map((text) => `/${text.replaceAll(/[\n\\]/g, '')}`)
    const any = fc.record({
      target,
      format: fc.constantFrom('raw', 'qcow2', 'vhd'),
      vdev: fc.constantFrom('xvda', 'hdc', 'xvda2'),
      isReadOnly: fc.boolean(),
      isCdrom: fc.boolean(),
    })
    fc.assert(
      fc.property(any, (one) => {
        expect(parseXlDisk(printXlDisk(one))).toEqual(one)
      }),
      { numRuns: 200 },
    )
  })
})

describe('cards of an xl.cfg', () => {
  test.each([
    [
      'mac=00:16:3E:38:9B:05,bridge=xenbr0',
      [
        ['mac', '00:16:3E:38:9B:05'],
        ['bridge', 'xenbr0'],
      ],
    ],
    [
      'ip=192.168.1.5 ,mac=00:16:3E:38:9B:05',
      [
        ['ip', '192.168.1.5 '],
        ['mac', '00:16:3E:38:9B:05'],
      ],
    ],
    ['', []],
  ])('%s', (text, wanted) => {
    expect([...parseXlVif(text)]).toEqual(wanted)
    expect(printXlVif(parseXlVif(text))).toBe(text)
  })
})
