import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultLog, findInstance } from './instance.ts'

const find = (file: string | undefined, ...there: readonly string[]) =>
  findInstance(file, {}, (path) => there.includes(path))

describe('which file a call means', () => {
  test.each([
    { file: undefined, there: ['/etc/ha.d/ldirectord.cf', 'ldirectord.cf'], is: '/etc/ha.d/ldirectord.cf' },
    { file: 'web.cf', there: ['/etc/ha.d/web.cf', '/etc/ha.d/conf/web.cf', 'web.cf'], is: '/etc/ha.d/web.cf' },
    { file: 'web.cf', there: ['/etc/ha.d/conf/web.cf', 'web.cf'], is: '/etc/ha.d/conf/web.cf' },
    { file: 'sub/web.cf', there: ['sub/web.cf'], is: 'sub/web.cf' },
    { file: '/srv/web.cf', there: ['/srv/web.cf'], is: '/srv/web.cf' },
    { file: 'web.cf', there: [], is: undefined },
  ])('$file of $there is $is', ({ file, there, is }) => {
    expect(find(file, ...there)?.shown).toBe(is)
  })

  test('a file of the working directory is found again from anywhere', () => {
    expect(find('web.cf', 'web.cf')).toEqual({
      shown: 'web.cf',
      path: resolve('web.cf'),
      name: 'web.cf',
      pidFile: '/var/run/ldirectord.web.cf.pid',
    })
  })

  test('without a file the instance is called ldirectord, with one by its last part', () => {
    expect(find(undefined, 'ldirectord.cf')?.name).toBe('ldirectord')
    expect(find('ldirectord.cf', 'ldirectord.cf')?.name).toBe('ldirectord.cf')
    expect(find('/srv/a/web.cf', '/srv/a/web.cf')?.pidFile).toBe('/var/run/ldirectord.web.cf.pid')
  })

  test('the root stands before every place of its own', () => {
    const environment = { BATON_LDIRECTORD_ROOT: '/tmp/r' }
    expect(findInstance('web.cf', environment, (path) => path === '/tmp/r/etc/ha.d/web.cf')).toMatchObject({
      shown: '/tmp/r/etc/ha.d/web.cf',
      pidFile: '/tmp/r/var/run/ldirectord.web.cf.pid',
    })
    expect(defaultLog(environment)).toBe('/tmp/r/var/log/ldirectord.log')
    expect(defaultLog({})).toBe('/var/log/ldirectord.log')
  })
})
