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
      '1: SECURITY VIOLATION - check scripts are being executed but script_security not enabled.',
      '6: quorum_up is not taken over',
      '9: notify_up is not taken over',
      '1: quorum 2 (hysteresis 0) is not taken over: the sorry server comes when no real server is up',
      '10: BFD_CHECK is not taken over: the server is up without it',
      '12: bindto of TCP_CHECK is not taken over',
    ])
    expect(said(convert('static_ipaddress {', '10.0.0.1', '}'))).toEqual(['1: static_ipaddress is not taken over'])
  })

  test('a group is a service for each of its places', () => {
    const { spec } = convert(
      'virtual_server_group g {', '10.0.0.1-2 80', 'fwmark 7', '}', 'virtual_server group g {', 'protocol TCP', 'lb_algo rr', 'lb_kind DR',
      'real_server 10.0.0.9 80 { weight 1 }', '}',
    ) // biome-ignore format: as a file has them
    expect(Object.keys(spec?.services ?? {})).toEqual(['tcp-10-0-0-1-80', 'tcp-10-0-0-2-80', 'fwm-7'])
  })

  test('what Baton cannot carry at all is an error', () => {
    const { spec, diagnostics } = convert(
      'virtual_server 10.0.0.1 80 {',
      'protocol SCTP',
      'lb_algo rr',
      'lb_kind NAT',
      'real_server 10.0.0.2 80 { weight 1 }',
      '}',
    )
    expect(spec).toBeUndefined()
    expect(diagnostics).toMatchObject([{ severity: 'error', line: 1 }])
  })
})
