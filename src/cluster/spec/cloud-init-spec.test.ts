import { describe, expect, test } from 'vitest'
import { formatDiagnostic } from './diagnostic.ts'
import { parseSpec } from './parse.ts'

const files: Readonly<Record<string, string>> = {
  '/srv/keys.pub': '# of Ann\nssh-ed25519 A ann\n\nssh-rsa B ben\n',
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

  test('user and ssh-keys are short for what most want, from keys and from files with some', () => {
    const config = (text: string): unknown => JSON.parse((seedOf(text)?.userData ?? '').replace('#cloud-config\n', ''))
    expect(config('{ user: admin, ssh-keys: [keys.pub, "ssh-ed25519 C"], user-data: { packages: [nginx] } }')).toEqual({
      packages: ['nginx'],
      users: [
        'default',
        {
          name: 'admin',
          shell: '/bin/bash',
          sudo: 'ALL=(ALL) NOPASSWD:ALL',
          ssh_authorized_keys: ['ssh-ed25519 A ann', 'ssh-rsa B ben', 'ssh-ed25519 C'],
        },
      ],
    })
    expect(config('{ ssh-keys: ["ssh-ed25519 C"] }')).toEqual({ ssh_authorized_keys: ['ssh-ed25519 C'] })
  })

  test('an image’s seed is that of its guests, unless their pool has one', () => {
    const image = 'images: { tiny: { builtin: tiny, cloud-init: { user-data: "#!/bin/sh\\n" } } }'
    const text = `name: shop\n${image}\nguests: { web: { image: tiny }, db: { image: tiny, cloud-init: {} } }\n`
    const { spec, diagnostics } = parseSpec({ file: 'f', text, environment: {}, readInclude: () => undefined })
    expect(diagnostics.map(formatDiagnostic)).toEqual([])
    expect(spec?.guests['web']?.cloudInit).toEqual({ userData: '#!/bin/sh\n' })
    expect(spec?.guests['db']?.cloudInit).toEqual({})
  })

  test('a pool may have a seed that only says who each guest is', () => {
    expect(seedOf('{}')).toEqual({})
    expect(seedOf('{ network-config: { version: 2 } }')).toEqual({ networkConfig: '{\n  "version": 2\n}\n' })
  })
})
