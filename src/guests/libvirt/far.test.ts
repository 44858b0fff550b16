import { describe, expect, test } from 'vitest'
import { parseFarUri } from './far.ts'

describe('a URI of libvirt on another machine', () => {
  test.each([
    { uri: 'qemu+ssh://hv/system', host: { host: 'hv' }, there: 'qemu:///system' },
    {
      uri: 'qemu+ssh://root@hv:2222/session',
      host: { host: 'hv', user: 'root', port: 2222 },
      there: 'qemu:///session',
    },
    { uri: 'qemu+libssh2://[fd00::1]/system', host: { host: 'fd00::1' }, there: 'qemu:///system' },
    {
      uri: 'qemu+ssh://hv/system?socket=/run/a%20b/sock',
      host: { host: 'hv' },
      there: 'qemu:///system?socket=%2Frun%2Fa%20b%2Fsock',
    },
  ])('$uri', ({ uri, host, there }) => {
    expect(parseFarUri(uri)).toEqual({ destination: host, uri: there })
  })

  test('is no other one', () => {
    for (const uri of ['', 'qemu:///system', 'qemu+unix:///system', 'xen+ssh://hv/', 'qemu+tcp://hv/system'])
      expect(parseFarUri(uri)).toBeUndefined()
  })

  test.each([
    { uri: 'qemu+ssh:///system', code: 'invalid' },
    { uri: 'qemu+ssh://hv/', code: 'invalid' },
    { uri: 'qemu+ssh://-oProxyCommand=x/system', code: 'invalid' },
    { uri: 'qemu+ssh://hv/system?keyfile=/k', code: 'unsupported' },
    { uri: 'qemu+ssh://hv/system?command=/x', code: 'unsupported' },
  ])('$uri is refused: $code', ({ uri, code }) => {
    expect(() => parseFarUri(uri)).toThrow(expect.objectContaining({ code }) as Error)
  })
})
