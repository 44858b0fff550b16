import { describe, expect, test } from 'vitest'
import { buildServer } from '../../test/build/services.ts'
import { isNamed, maintenanceNames } from './maintenance.ts'

const web = buildServer(4444, { address: '172.16.1.2' })
const six = buildServer(80, { address: 'fd00::1' })
const guest = buildServer(40_001, { guest: 'Web-1', guestPort: 80 })
const names = ['realserver2.example.com']

describe('the names in a maintenance directory', () => {
  test.each([
    '172.16.1.2:4444',
    '172.16.1.2',
    'realserver2.example.com:4444',
    'realserver2.example.com',
    'realserver2:4444',
    'realserver2',
    'RealServer2',
  ])('%s is the server that ldirectord means by it', (file) => {
    expect(isNamed(maintenanceNames([file]), web, names)).toBe(true)
  })

  test.each([
    '172.16.1.2:80',
    '172.16.1.20',
    '172.16.1',
    'realserver2:80',
    'realserver',
    'realserver2.example',
    'example.com',
    '',
    '.',
    '.172.16.1.2',
    '172.16.1.2:',
    '172.16.1.2:99999',
    '172.16.1.2:4444:1',
    '[172.16.1.2',
  ])('%j is not', (file) => {
    expect(isNamed(maintenanceNames([file]), web, names)).toBe(false)
  })

  test.each(['[fd00::1]:80', '[fd00::1]', 'fd00::1', 'FD00:0::1', '[fd00:0:0::1]:80'])(
    '%s is an IPv6 server',
    (file) => {
      expect(isNamed(maintenanceNames([file]), six, [])).toBe(true)
      expect(isNamed(maintenanceNames([file]), { ...six, address: 'fd00::2' }, [])).toBe(false)
    },
  )

  test('a guest goes by its name, and by the port inside it', () => {
    for (const file of ['web-1', 'web-1:80', '127.0.0.1:40001'])
      expect(isNamed(maintenanceNames([file]), guest, [])).toBe(true)
    expect(isNamed(maintenanceNames(['web-1:40001']), guest, [])).toBe(false)
    expect(isNamed(maintenanceNames(['web-10']), guest, [])).toBe(false)
  })

  test('several files of one server add up, and the one without a port is for all', () => {
    const both = maintenanceNames(['172.16.1.2:80', '172.16.1.2:443', '.hidden'])
    expect([80, 443, 4444].map((port) => isNamed(both, { ...web, port }, []))).toEqual([true, true, false])
    const all = maintenanceNames(['172.16.1.2:80', '172.16.1.2', '172.16.1.2:443'])
    expect(isNamed(all, web, [])).toBe(true)
  })
})
