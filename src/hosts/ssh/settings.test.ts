import { describe, expect, test } from 'vitest'
import { formatDestination, parseDestination } from './destination.ts'
import { settingsFrom } from './settings.ts'

describe('a destination', () => {
  // biome-ignore format: one row each
  test.each([
    ['hv1', { host: 'hv1' }],
    ['root@hv1', { host: 'hv1', user: 'root' }],
    ['root@hv1.example.org:2222', { host: 'hv1.example.org', user: 'root', port: 2222 }],
    ['ssh://root@hv1:22/', { host: 'hv1', user: 'root', port: 22 }],
    ['[2001:db8::1]:2222', { host: '2001:db8::1', port: 2222 }],
    ['admin@[fe80::1%eth0]', { host: 'fe80::1%eth0', user: 'admin' }],
  ])('%s', (text, destination) => {
    expect(parseDestination(text)).toEqual(destination)
    expect(parseDestination(formatDestination(destination))).toEqual(destination)
  })

  test.each(['', '@hv1', 'root@', 'hv1:0', 'hv1:65536', '-oProxyCommand=x', 'root@-x', 'a b', 'hv1:x', '2001:db8::1'])(
    '%j is none',
    (text) => {
      expect(parseDestination(text)).toBeUndefined()
    },
  )
})

describe('what ssh -G says', () => {
  const from = { environment: { SSH_AUTH_SOCK: '/run/agent' }, home: '/home/ann', self: 'ann' }

  test('is how the host is reached', () => {
    const text = [
      'user root',
      'hostname 10.0.0.1',
      'port 2222',
      'hostkeyalias hv',
      'stricthostkeychecking accept-new',
      'identityfile ~/.ssh/id_%r',
      'identityfile /keys/%h',
      'identitiesonly yes',
      'identityagent none',
      'userknownhostsfile ~/.ssh/known_hosts /other',
      'globalknownhostsfile none',
      'proxycommand nc %h %p',
    ].join('\n')
    expect(settingsFrom(text, { host: 'hv1' }, from)).toEqual({
      host: '10.0.0.1',
      port: 2222,
      user: 'root',
      keyAlias: 'hv',
      acceptsNew: true,
      identityFiles: ['/home/ann/.ssh/id_root', '/keys/10.0.0.1'],
      identitiesOnly: true,
      userKnownHosts: ['/home/ann/.ssh/known_hosts', '/other'],
      globalKnownHosts: [],
      proxy: ['sh', '-c', 'exec nc 10.0.0.1 2222'],
    })
  })

  test('without it the destination and the defaults hold', () => {
    expect(settingsFrom('', { host: 'hv1', user: 'bob', port: 2200 }, { ...from, environment: {} })).toEqual({
      host: 'hv1',
      port: 2200,
      user: 'bob',
      acceptsNew: false,
      identityFiles: ['/home/ann/.ssh/id_ed25519', '/home/ann/.ssh/id_ecdsa', '/home/ann/.ssh/id_rsa'],
      identitiesOnly: false,
      userKnownHosts: ['/home/ann/.ssh/known_hosts'],
      globalKnownHosts: ['/etc/ssh/ssh_known_hosts'],
    })
  })

  test('a jump is ssh -W through it', () => {
    const { proxy } = settingsFrom('proxyjump a,bob@b:2222', { host: 'hv1' }, { ...from, file: '/cfg' })
    expect(proxy).toEqual([
      'ssh',
      '-F',
      '/cfg',
      '-o',
      'BatchMode=yes',
      '-J',
      'a',
      '-W',
      'hv1:22',
      '--',
      'ssh://bob@b:2222',
    ])
  })
})
