/** What `baton export keepalived` writes, judged by keepalived itself: it has nothing against it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseSpec } from '../../src/cluster/spec/parse.ts'
import { exportKeepalived } from '../../src/compat/keepalived/export.ts'

const isThere = spawnSync('keepalived', ['--version']).status === 0
if (!isThere) console.warn('skipped: Debian’s package keepalived is not installed')
/** One of this machine, as keepalived looks for it; nothing is done with it. */
const link = Object.keys(networkInterfaces()).find((name) => name !== 'lo') ?? ''
if (link === '') console.warn('skipped: there is no interface but the loopback')

test.skipIf(!isThere || link === '')(
  'keepalived -t finds nothing wrong with it',
  () => {
    const { spec } = parseSpec({
      file: 'baton.yaml',
      text: `
name: shop
services:
  www:
    address: 10.0.0.1:80
    scheduler: wrr
    persistence: 300s
    fallback: 10.0.0.9:80
    servers: [{ address: "10.0.0.2:80", weight: 3 }, { address: "10.0.0.3:80", check: { tcp: true } }]
    check: { http: /healthz, status: [200, 301-302], every: 2s, timeout: 1s, fall: 3, rise: 1 }
directors:
  vrrp:
    - { name: VI_1, interface: ${link}, id: 51, every: 500ms, group: G, addresses: [10.0.0.1/24], track: [{ command: [/bin/true, "a  b"], weight: -9 }] }
    - { name: VI_2, interface: ${link}, id: 52, version: 2, password: secret, group: G, addresses: [10.0.0.2/24], peers: [10.0.0.8] }
`,
      environment: {},
      readInclude: () => undefined,
    })
    expect(spec).toBeDefined()
    if (spec === undefined) return
    const folder = mkdtempSync(join(tmpdir(), 'baton-export-'))
    try {
      const file = join(folder, 'keepalived.conf')
      writeFileSync(file, exportKeepalived(spec).text)
      const { status, stdout, stderr } = spawnSync('keepalived', ['-t', '-f', file, '-l', '-n'], {
        encoding: 'utf8',
        timeout: 30_000,
      })
      expect([`${stdout}${stderr}`, status]).toEqual(['', 0])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000,
)
