import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addElement,
  elementsAt,
  ensureAt,
  formatXml,
  newElement,
  parseXml,
  removeAt,
  setAt,
  valueAt,
  XmlError,
} from './document.ts'

const given = `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <!-- by hand -->
  <devices>
    <disk type='file'><target dev='vda'/></disk>
    <disk type='file'><target dev='vdb'/></disk>
  </devices>
  <qemu:commandline><qemu:arg value='-S'/></qemu:commandline>
</domain>`

describe('a domain’s document', () => {
  test('values are read by their paths', () => {
    const domain = parseXml(given)
    expect(valueAt(domain, './name')).toBe('web')
    expect(valueAt(domain, './@type')).toBe('kvm')
    expect(valueAt(domain, './devices/disk[2]/target/@dev')).toBe('vdb')
    expect(valueAt(domain, "./devices/disk[@type='file']/target/@dev")).toBe('vda')
    expect(valueAt(domain, './os/type')).toBeUndefined()
    expect(elementsAt(domain, './devices/disk/target')).toHaveLength(2)
  })

  test('what is not known stays on rewrite: comments, other namespaces, order', () => {
    const domain = parseXml(given)
    setAt(domain, './name', 'shop & co')
    const text = formatXml(domain)
    expect(text).toContain('<name>shop &amp; co</name>')
    expect(text).toContain('<!-- by hand -->')
    expect(text).toContain('<qemu:arg value="-S"/>')
    expect(valueAt(parseXml(text), './name')).toBe('shop & co')
  })

  test('a path that is missing is made, and taken away with what it leaves empty', () => {
    const domain = newElement('domain')
    setAt(domain, './features/hyperv/spinlocks/@retries', '8191')
    setAt(domain, "./cpu/feature[@name='vmx']/@policy", 'require')
    expect(formatXml(domain)).toBe(
      '<domain>\n  <features>\n    <hyperv>\n      <spinlocks retries="8191"/>\n    </hyperv>\n  </features>\n' +
        '  <cpu>\n    <feature name="vmx" policy="require"/>\n  </cpu>\n</domain>\n',
    )
    removeAt(domain, './features/hyperv/spinlocks/@retries')
    removeAt(domain, './cpu')
    expect(formatXml(domain)).toBe('<domain/>\n')
  })

  test('elements of one name keep their order', () => {
    const devices = newElement('devices')
    for (const dev of ['vda', 'vdb']) addElement(devices, 'disk', { './target/@dev': dev, './source/@file': undefined })
    expect(elementsAt(devices, './disk/target').map((target) => target.getAttribute('dev'))).toEqual(['vda', 'vdb'])
    expect(ensureAt(devices, './disk[2]')).toBe(elementsAt(devices, './disk')[1])
  })

  test('only the ends of lines that XML 1.0 knows become one', () => {
    expect(valueAt(parseXml('<a>1\r\n2\r3\u20284\u00855</a>'), '.')).toBe('1\n2\n3\u20284\u00855')
  })

  test('what is written is read again, whatever stands in it', () => {
    const text = fc
      .string({ unit: 'grapheme' })
      .filter((value) => !/[\p{Cc}\p{Cs}￾￿]/u.test(value) && value.trim() === value)
    fc.assert(
      fc.property(text, text, (name, dev) => {
        const domain = newElement('domain')
        setAt(domain, './name', name)
        setAt(domain, './devices/disk/target/@dev', dev)
        const again = parseXml(formatXml(domain))
        expect(valueAt(again, './name')).toBe(name)
        expect(valueAt(again, './devices/disk/target/@dev')).toBe(dev)
      }),
    )
  })

  test.each(['', 'text', '<domain>', '<a></b>', '<a b=1/>'])('%j is no XML', (text) => {
    expect(() => parseXml(text)).toThrow(XmlError)
  })
})
