import { describe, expect, test } from 'vitest'
import { convertLines as convert, said } from './convert-lines.ts'

const service = (...lines: readonly string[]) => {
  const converted = convert('virtual_server 10.0.0.1 80 {', 'protocol TCP', 'lb_algo wrr', 'lb_kind NAT', ...lines, '}')
  return { said: said(converted), is: converted.spec?.services['tcp-10-0-0-1-80'] }
}

describe('a keepalived.conf as a spec', () => {
  test('virtual servers become services, with what their real servers inherit', () => {
    const { said: findings, is } = service(
      'delay_loop 6', 'retry 2', 'persistence_timeout 50', 'inhibit_on_failure', 'sorry_server 10.0.0.9 8080',
      'real_server 10.0.0.2 8000 {', 'weight 3', 'uthreshold 9', 'TCP_CHECK {', 'connect_timeout 2', 'warmup 0', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(findings).toEqual([])
    expect(is).toMatchObject({
      service: { scheduler: 'wrr', persistence: { timeoutSeconds: 50, mask: '255.255.255.255' } },
      forwarding: 'masq',
      onFailure: 'drain',
      fallback: { address: '10.0.0.9', port: 8080 },
      servers: [
        {
          endpoint: { address: '10.0.0.2', port: 8000 },
          weight: 3,
          upperThreshold: 9,
          checks: [{ probe: { kind: 'tcp' }, everyMs: 6000, timeoutMs: 2000, rise: 1, fall: 3 }],
        },
      ],
    })
  })

  test('each URL is a check, and the name is that of the nearest virtualhost', () => {
    const { is } = service(
      'virtualhost a.example', 'real_server 10.0.0.2 80 {', 'SSL_GET {', 'enable_sni', 'url { path /a',
      'status_code 200 301-302', '}', 'url { path /b', 'virtualhost b.example', 'regex OK', '}', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(is?.servers[0]?.checks?.map(({ probe }) => probe)).toMatchObject([
      {
        kind: 'http',
        path: '/a',
        host: 'a.example',
        status: [200, [301, 302]],
        tls: { verify: false, sni: 'a.example' },
      },
      { kind: 'http', path: '/b', host: 'b.example', status: [[200, 299]], body: 'OK' },
    ])
  })

  test('what is not taken over is said with its line, whatever it is', () => {
    const { said: findings } = service(
      'quorum 2', 'quorum_up /bin/true', 'real_server 10.0.0.2 80 {', 'weight 2', 'notify_up /bin/true', 'BFD_CHECK { name b', '}', 'TCP_CHECK { bindto 10.0.0.3', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(findings).toEqual([
      '10: ([10.0.0.2]:tcp:80) BFD_CHECK - BFD b not configured',
      '1: SECURITY VIOLATION - check scripts are being executed but script_security not enabled.',
      '6: quorum_up is not taken over',
      '9: notify_up is not taken over',
    ])
    const sessions = convert(
      'bfd_instance b {', 'neighbor_ip 10.0.0.9', '}',
      'virtual_server 10.0.0.1 80 {', 'real_server 10.0.0.2 80 {', 'BFD_CHECK { name b', '}', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(said(sessions)).toContain(
      '6: BFD_CHECK: Baton has no BFD sessions; PING_CHECK with a short delay_loop looks at the way, too',
    )
    expect(said(convert('linkbeat_interfaces {', 'eth0', '}'))).toEqual(['1: linkbeat_interfaces is not taken over'])
  })

  test('a group is a service for each of its places', () => {
    const { spec } = convert(
      'virtual_server_group g {', '10.0.0.1-2 80', 'fwmark 7', '}', 'virtual_server group g {', 'protocol TCP', 'lb_algo rr', 'lb_kind DR',
      'real_server 10.0.0.9 80 { weight 1 }', '}',
    ) // biome-ignore format: as a file has them
    expect(Object.keys(spec?.services ?? {})).toEqual(['tcp-10-0-0-1-80', 'tcp-10-0-0-2-80', 'fwm-7'])
  })

  test('quorum, hysteresis and who stays in the table are taken over, of each server by itself', () => {
    const { said: findings, is } = service(
      'quorum 3', 'hysteresis 1', 'sorry_server 10.0.0.9 80', 'sorry_server_inhibit', 'alpha',
      'real_server 10.0.0.2 80 {', 'weight 2', 'inhibit_on_failure', 'TCP_CHECK {', '}', '}',
      'real_server 10.0.0.3 80 {', 'weight 2', 'TCP_CHECK {', 'alpha no', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(findings).toEqual([])
    expect(is).toMatchObject({
      quorum: { weight: 3, hysteresis: 1 },
      fallback: { idle: 'drain' },
      onFailure: 'remove',
      servers: [{ onFailure: 'drain' }, { checks: [{ presumed: true }] }],
    })
    expect(is?.servers[0]?.checks?.[0]).not.toHaveProperty('presumed')
    expect(is?.servers[1]).not.toHaveProperty('onFailure')
  })

  const checksOf = (...lines: readonly string[]) => service('real_server 10.0.0.2 80 {', ...lines, '}')

  test('a check says when it asks again, from where, and who counts as up before', () => {
    const { said: findings, is } = checksOf(
      'delay_loop 10', 'TCP_CHECK {', 'retry 2', 'delay_before_retry 0.5', 'warmup 0', 'alpha', 'connect_ip 10.0.0.7', 'connect_port 81',
      'bindto 10.0.0.3', 'bind_port 4000', 'bind_if eth0', 'fwmark 9', 'log_all_failures', '}', 'DNS_CHECK {', 'type DNSKEY', '}', 'HTTP_GET {', 'url {', 'path /', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(findings).toEqual([])
    expect(is?.servers[0]?.checks).toEqual([
      {
        probe: { kind: 'tcp' }, everyMs: 10_000, doubtEveryMs: 500, timeoutMs: 5000, rise: 1, fall: 3, address: '10.0.0.7', port: 81,
        from: { address: '10.0.0.3', port: 4000, interface: 'eth0', mark: 9 },
      },
      { probe: { kind: 'dns', name: '.', type: 'DNSKEY', transport: 'udp' }, everyMs: 10_000, timeoutMs: 5000, rise: 1, fall: 4, presumed: true, warmUpMs: 10_000 },
      expect.objectContaining({ doubtEveryMs: 3000, fall: 2, presumed: true }),
    ]) // biome-ignore format: a check to a line
  })

  test('a URL has its digest, or its pattern with all that is said of it', () => {
    const md5 = '0123456789abcdef0123456789abcdef'
    const { said: findings, is } = checksOf(
      'HTTP_GET {', 'http_protocol 1.1', 'fast_recovery', 'url {', 'path /a', `digest ${md5.toUpperCase()}`, '}', 'url {', 'path /b', 'regex "^ok$"',
      'regex_options caseless dotall', 'regex_no_match', 'regex_min_offset 3', 'regex_max_offset 9', 'regex_stack 1 2', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(findings).toEqual([])
    expect(is?.servers[0]?.checks?.map(({ probe }) => probe)).toEqual([
      { kind: 'http', path: '/a', status: [[200, 299]], md5 },
      {
        kind: 'http', path: '/b', status: [[200, 299]], body: '^ok(?=\\n?(?![^]))',
        bodyMatch: { flags: 'i', isAbsent: true, from: 3, until: 9 },
      },
    ]) // biome-ignore format: a check to a line
  })

  test.each([
    ['regex "a++"', '9: regex a++: ++ (possessive) has no counterpart here'],
    ['regex_options ungreedy\nregex a', '10: regex a: the option ungreedy has no counterpart here'],
  ])('a pattern that means nothing here is an error: %s', (lines, said) => {
    const { said: findings, is } = checksOf('HTTP_GET {', 'url {', 'path /', ...lines.split('\n'), '}', '}')
    expect(findings).toEqual([said])
    expect(is).toBeUndefined()
  })

  test('files, hosts of SMTP and whoever runs a command are found where the file has them', () => {
    const { spec, diagnostics } = convert(
      'global_defs {', 'enable_script_security', 'script_user root', '}', 'track_file f {', 'file /run/f', 'weight 2 reverse', '}',
      'virtual_server 10.0.0.1 80 {', 'protocol TCP', 'lb_algo wrr', 'lb_kind NAT', 'real_server 10.0.0.2 80 {', 'weight 1',
      'FILE_CHECK {', 'track_file f', '}', 'FILE_CHECK {', 'track_file f', 'weight 0', '}',
      'SMTP_CHECK {', 'host {', 'connect_ip 10.0.0.5', '}', 'host {', 'connect_ip 10.0.0.6', 'connect_port 26', '}', '}',
      'MISC_CHECK {', 'misc_path /bin/true', 'user nobody', '}', '}', '}',
    ) // biome-ignore format: as a file has them
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(spec?.services['tcp-10-0-0-1-80']?.servers[0]?.checks).toMatchObject([
      { probe: { kind: 'file', path: '/run/f', weight: -2 } },
      { probe: { kind: 'file', path: '/run/f' } },
      { probe: { kind: 'smtp' }, address: '10.0.0.5' },
      { probe: { kind: 'smtp' }, address: '10.0.0.6', port: 26 },
      { probe: { kind: 'external', command: { argv: expect.arrayContaining(['setpriv', 'nobody', '/bin/true']) as string[] } } },
    ]) // biome-ignore format: a check to a line
  })

  test('SCTP is a protocol as others are', () => {
    const { spec } = convert('virtual_server 10.0.0.1 80 {', 'protocol SCTP', 'lb_algo rr', 'lb_kind NAT', 'real_server 10.0.0.2 80 { weight 1 }', '}') // biome-ignore format: a file
    expect(spec?.services['sctp-10-0-0-1-80']?.service.id).toMatchObject({ protocol: 'sctp' })
  })
})
