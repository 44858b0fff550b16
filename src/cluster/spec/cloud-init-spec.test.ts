import { describe, expect, test } from 'vitest'
import { formatDiagnostic } from './diagnostic.ts'
import { parseSpec } from './parse.ts'

const files: Readonly<Record<string, string>> = {
  '/srv/web.sh': '#!/bin/sh\necho ${HOME}',
  '/srv/net.yaml': 'version: 2\nethernets: {}\n',
  '/srv/meta.yaml': 'public-keys: [ssh-ed25519 A]\n',
}

function seedOf(cloudInit: string) {
  const text = `name: shop\nguests:\n  web:\n    image: tiny\n    cloud-init: ${cloudInit}\n`
  const { spec, diagnostics } = parseSpec({
    file: '/srv/baton.yaml',
    text,
    environment: { KEY: 'ssh-ed25519 A' },
    readInclude: (path) => files[path],
  })
  expect(diagnostics.map(formatDiagnostic)).toEqual([])
  return spec?.guests['web']?.cloudInit
}

describe('cloud-init of a pool', () => {
  test('a map is what cloud-init calls #cloud-config', () => {
    const { userData = '' } = seedOf('{ user-data: { packages: [nginx], ssh_authorized_keys: ["${KEY}"] } }') ?? {}
    const [first, ...rest] = userData.split('\n')
    expect(first).toBe('#cloud-config')
    expect(JSON.parse(rest.join('\n'))).toEqual({ packages: ['nginx'], ssh_authorized_keys: ['ssh-ed25519 A'] })
  })

  test('text with a # in front is the content; else it is the path of a file, whose variables are its own', () => {
    expect(seedOf('{ user-data: "#include https://a.example/x" }')).toEqual({
      userData: '#include https://a.example/x\n',
    })
    expect(seedOf('{ user-data: web.sh, meta-data: ./meta.yaml, network-config: net.yaml }')).toEqual({
      userData: '#!/bin/sh\necho ${HOME}\n',
      metaData: { 'public-keys': ['ssh-ed25519 A'] },
      networkConfig: 'version: 2\nethernets: {}\n',
    })
  })

  test('a pool may have a seed that only says who each guest is', () => {
    expect(seedOf('{}')).toEqual({})
    expect(seedOf('{ network-config: { version: 2 } }')).toEqual({ networkConfig: '{\n  "version": 2\n}\n' })
  })
})
