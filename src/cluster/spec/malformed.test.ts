/** What is wrong with a spec is said at its place. Each row marks with ▲ where, in order, and names a part of each message. */
import { describe, expect, test } from 'vitest'
import { parseSpec } from './parse.ts'

type Row = readonly [text: string, ...fragments: string[]]

// Builders: a whole spec around one line. The rest of the spec is right.
const spec = (lines: string): string => `name: shop\n${lines}\n`
const host = (inside: string): string => spec(`hosts:\n  hv1: { ${inside} }`)
const image = (inside: string): string => spec(`images:\n  web: { ${inside} }`)
const pool = (inside: string): string => spec(`guests:\n  web: { image: tiny, ${inside} }`)
const service = (inside: string): string =>
  spec(`services:\n  www:\n    address: 10.0.0.1:80\n    servers: []\n    fallback: 10.0.0.2:80\n    ${inside}`)
const servers = (inside: string): string =>
  spec(`guests: { web: { image: tiny } }\nservices:\n  www: { address: 10.0.0.1:80, servers: [${inside}] }`)
const address = (text: string): string =>
  spec(`services:\n  www: { servers: [], fallback: 10.0.0.2:80, address: ${text} }`)
const check = (inside: string): string => service(`check: { ${inside} }`)
const directors = (inside: string): string => spec(`hosts: { hv1: {} }\ndirectors: { ${inside} }`)

// biome-ignore format: one row each
const syntax: Row[] = [
  ['name: shop\nguests:\n▲\tweb: {}\n', 'tabs are not allowed'],
  ['name: shop\nguests: ▲{ web: { image: tiny }\n', 'this { is never closed'],
  ['name: shop\nimages: { web: { builtin: tiny } }\nguests: { web: { image: web, vcpus: ▲[1 }', 'this [ is never closed'],
  ['name: ▲"shop\n', 'quote is never closed'],
  ["name: ▲'it''\n", 'quote is never closed'],
  ['name: ▲"shop\\"\n', 'quote is never closed'],
  ['name: shop\nhosts:\n  a: ▲"\n]>\n  c: "12"\n', 'quote is never closed'],
  ['name: shop\n▲guests\nservices: {}\n', 'not valid YAML'],
  ['name: ▲shop: two\n', 'nested mappings'],
  ['name: shop\nguests:\n   web: { image: tiny }\n▲  db: { image: tiny }\n', 'same column'],
  ['name: ▲@shop\n', 'reserved character @'],
  ['name: ▲`shop`\n', 'reserved character'],
  ['name: ▲%shop\n', 'cannot start'],
  ['name: shop\n▲---\nname: two\n', 'multiple documents'],
  ['name: ▲!!foo shop\n', 'unresolved tag'],
  ['name: "▲\\shop"\n', 'invalid escape'],
  ['name: shop\nservices:\n  www:\n    address: [::1]▲:80\n    servers: []\n', 'IPv6 address in brackets needs quotes'],
  ['▲', 'the file has no name'],
  ['▲# only a comment\n', 'the file has no name'],
  ['▲- name: shop\n', 'the file is a list: expected a map'],
  ['▲name:shop\n', 'the file is one value: expected a map'],
  ['name: ▲*shop\n', '*shop refers to nothing'],
  ['name: &a shop\n▲[x]: 1\n', 'a key must be plain text'],
  [spec('guests: { web: { image: tiny, <<: [▲1] } }'), '<< takes over a map'],
  [`name: shop\nguests: ${'['.repeat(58)}▲[[[`, 'nested too deeply'],
]

// biome-ignore format: one row each
const keys: Row[] = [
  ['▲nmae: shop\n', 'unknown key nmae: did you mean name?'],
  [spec('▲vms: {}'), 'unknown key vms: did you mean guests?'],
  [spec('▲zzz: 1'), 'unknown key zzz'],
  [spec('▲__proto__: 1'), 'unknown key __proto__'],
  [spec('▲constructor: 1'), 'unknown key constructor'],
  [host('▲hypervizor: qemu'), 'unknown key hypervizor: did you mean hypervisor?'],
  [host('storage: { ▲directory: /srv }'), 'unknown key directory'],
  [image('builtin: tiny, ▲kernl: x'), 'unknown key kernl: did you mean kernel?'],
  [image('▲debootstarp: bookworm'), 'unknown key debootstarp: did you mean debootstrap?'],
  [pool('▲memroy: 1G'), 'unknown key memroy: did you mean memory?'],
  [pool('▲cpus: 2'), 'unknown key cpus: did you mean vcpus?'],
  [pool('▲Memory: 2G'), 'unknown key Memory: did you mean memory?'],
  [pool('network: { ▲bridg: br0 }'), 'unknown key bridg: did you mean bridge?'],
  [spec('guests:\n  web: { ▲imgae: tiny }'), 'unknown key imgae: did you mean image?'],
  [service('▲on_failure: drain'), 'unknown key on_failure: did you mean on-failure?'],
  [service('▲lb_algo: rr'), 'unknown key lb_algo: did you mean scheduler?'],
  [servers('{ ▲guest: web, port: 80 }'), 'unknown key guest: did you mean guests?'],
  [check('http: /, ▲interval: 2s'), 'unknown key interval: did you mean every?'],
  [check('http: /, tls: { ▲verfy: true }'), 'unknown key verfy: did you mean verify?'],
  [directors('▲engin: auto'), 'unknown key engin: did you mean engine?'],
  ['name: shop\n▲name: two\n', 'the key name is given twice: first in line 1'],
  [pool('memory: 1G, ▲memory: 2G'), 'the key memory is given twice'],
  [spec('guests:\n  web: { image: tiny }\n  ▲web: { image: tiny }'), 'the key web is given twice: first in line 3'],
]

// biome-ignore format: one row each
const missing: Row[] = [
  ['▲guests: {}\n', 'the file has no name'],
  [spec('guests:\n  ▲web: { count: 2 }'), 'guests.web has no image: expected the name of an image'],
  [spec('guests:\n  ▲web: {}'), 'guests.web has no image'],
  [spec('guests:\n  ▲web:'), 'web has no value: expected a map'],
  [spec('services:\n  ▲www: { servers: [], fallback: 10.0.0.2:80 }'), 'services.www has no address'],
  [spec('services:\n  ▲www: { address: 10.0.0.1:80 }'), 'services.www has no servers: expected a list'],
  [servers('▲{ guests: web }'), 'an entry of services.www.servers has no port'],
  [servers('▲{ weight: 1 }'), 'does not say what it is: expected one of guests, address'],
  [spec('images:\n  ▲web: {}'), 'images.web does not say what it is: expected one of builtin, kernel, disk, iso, url, stored, debootstrap'],
  [service('▲check: { every: 2s }'), 'services.www.check does not say what it is: expected one of tcp, http'],
  [pool('▲memory:'), 'memory has no value: expected a size'],
  ['▲name:\n', 'name has no value'],
  ['name: ▲""\n', 'name has no value'],
]

// biome-ignore format: one row each
const names: Row[] = [
  ['name: ▲my shop\n', 'name: expected a name'],
  ['name: ▲shop_1\n', 'name: expected a name'],
  ['name: ▲-shop\n', 'name: expected a name'],
  ['name: ▲12\n', 'name: expected a name'],
  [`name: ▲${'a'.repeat(64)}\n`, 'at most 63'],
  ['name: ▲[shop]\n', 'name: expected a name (letters, digits and hyphens, at most 63, with a letter or digit at both ends and one letter), found a list'],
  [spec('guests:\n  ▲web_1: { image: tiny }'), 'web_1 is not a name'],
  [spec('guests:\n  ▲12: { image: tiny }'), '12 is not a name'],
  [spec('guests:\n  ▲__proto__: { image: tiny }'), '__proto__ is not a name'],
  [spec('services:\n  ▲w w: { address: 10.0.0.1:80, servers: [], fallback: 10.0.0.1:81 }'), '"w w" is not a name'],
  [spec(`guests:\n  ▲${'a'.repeat(62)}: { image: tiny, count: 10 }`), 'more than 63 letters'],
]

// biome-ignore format: one row each
const shapes: Row[] = [
  [spec('guests: ▲[web]'), 'guests: expected a map of NAME: VALUE, found a list'],
  [spec('guests: ▲web'), 'guests: expected a map of NAME: VALUE, found web'],
  [spec('guests:\n  web:\n    ▲image:tiny'), 'web: expected a map of KEY: VALUE, found image:tiny'],
  [spec('hosts: { hv1: ▲qemu }'), 'hv1: expected a map of KEY: VALUE, found qemu'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: ▲{ guests: web } } }'), 'servers: expected a list, found a map'],
  [servers('▲web'), 'servers: expected a map of KEY: VALUE, found web'],
  [servers('▲[web]'), 'servers: expected a map of KEY: VALUE, found a list'],
  [spec('directors: ▲auto'), 'directors: expected a map of KEY: VALUE, found auto'],
  [directors('hosts: ▲hv1'), 'hosts: expected a list, found hv1'],
  [image('debootstrap: bookworm, packages: ▲nginx'), 'packages: expected a list, found nginx'],
  [image('debootstrap: bookworm, files: ▲[a]'), 'files: expected a map of NAME: VALUE, found a list'],
  [spec('include: ▲{ a: b }'), 'include names files'],
  [spec('include: [▲12]'), 'include names files'],
]

// biome-ignore format: one row each
const sizes: Row[] = [
  [pool('memory: ▲256'), 'memory: expected a size such as 256M or 8G, found 256 without a unit'],
  [pool('memory: ▲256X'), 'found 256X'],
  [pool('memory: ▲-1G'), 'found -1G'],
  [pool('memory: ▲1 G'), 'found "1 G"'],
  [pool('memory: ▲lots'), 'found lots'],
  [pool('memory: ▲0M'), '0M is too small: expected at least 1M'],
  [pool('memory: ▲64K'), '64K is too small'],
  [pool('memory: ▲1025K'), '1025K is not a whole number of MiB'],
  [pool('memory: ▲99999999T'), 'found 99999999T'],
  [pool('memory: ▲true'), 'memory: expected a size such as 256M or 8G, found true'],
  [pool('memory: ▲[1G]'), 'found a list'],
  [pool('disk: ▲8'), 'disk: expected a size such as 8G, found 8 without a unit'],
  [check('tcp: true, every: ▲2'), 'every: expected a duration such as 2s, found 2 without a unit'],
  [check('tcp: true, every: ▲2 s'), 'found "2 s"'],
  [check('tcp: true, timeout: ▲1d'), 'timeout: expected a duration such as 1s, found 1d'],
  [check('tcp: true, timeout: ▲0s'), '0s is too short: expected at least 10ms'],
  [check('tcp: true, every: ▲25h'), '25h is too long: expected at most 24h'],
  [service('persistence: ▲300'), 'persistence: expected a duration such as 300s, found 300 without a unit'],
  [service('persistence: ▲1500ms'), '1500ms is not a whole number of seconds'],
  [service('idle-timeout: ▲10ms'), '10ms is too short: expected at least 1s'],
  [service('idle-timeout: ▲soon'), 'idle-timeout: expected a duration such as 10m, found soon'],
]

// biome-ignore format: one row each
const numbers: Row[] = [
  [pool('count: ▲-1'), 'count: expected a whole number from 0 to 100000, found -1'],
  [pool('count: ▲1.5'), 'found 1.5'],
  [pool('count: ▲"3"'), 'count: expected a whole number from 0 to 100000, found the text "3"'],
  [pool('count: ▲many'), 'found many'],
  [pool('count: ▲100001'), 'found 100001'],
  [pool('vcpus: ▲0'), 'vcpus: expected a whole number from 1 to 1024, found 0'],
  [pool('firmware: ▲efi'), 'unknown firmware efi: did you mean uefi?'],
  [pool('graphics: { type: vnc, port: ▲80 }'), 'port: expected a whole number from 5900 to 65535, found 80'],
  [pool('graphics: ▲vnc'), 'with hypervisor: qemu vnc needs a port'],
  [pool('cpu: ▲host-model'), 'QEMU by itself has no host-model'],
  [spec('hosts: { a: { hypervisor: libvirt } }\nguests: { web: { image: tiny, cpu: host-model, graphics: vnc, cpus▲: 2 } }').replace(', cpus▲: 2', ', ▲cpus: 2'), 'unknown key cpus'],
  [spec('hosts: { a: { hypervisor: xen } }\nguests: { web: { image: tiny, network: { bridge: br0 }, firmware: ▲uefi, graphics: none } }'), 'firmware is not for guests on Xen'],
  [pool('autostart: ▲yes'), 'autostart: expected true or false, found yes'],
  [pool('autostart: ▲1'), 'autostart: expected true or false, found 1'],
  [servers('{ guests: web, port: ▲0 }'), 'port: expected a whole number from 1 to 65535, found 0'],
  [servers('{ guests: web, port: ▲65536 }'), 'found 65536'],
  [servers('{ guests: web, port: ▲http }'), 'found http'],
  [servers('{ guests: web, port: 80, weight: ▲-1 }'), 'weight: expected a whole number from 0 to 65535, found -1'],
  [check('tcp: true, rise: ▲0'), 'rise: expected a whole number from 1 to 1000, found 0'],
  [check('tcp: true, fall: ▲2.5'), 'fall: expected a whole number from 1 to 1000, found 2.5'],
  [check('tcp: true, port: ▲70000'), 'port: expected a whole number from 1 to 65535, found 70000'],
]

// biome-ignore format: one row each
const addresses: Row[] = [
  [address('▲10.0.0.1'), 'address: expected an address and port such as 192.168.1.10:80, found 10.0.0.1'],
  [address('▲10.0.0.256:80'), 'found 10.0.0.256:80'],
  [address('▲10.0.0.01:80'), 'found 10.0.0.01:80'],
  [address('▲10.0.0.1:99999'), 'found 10.0.0.1:99999'],
  [address('▲10.0.0.1:0'), 'port 0 is no port'],
  [address('▲localhost:80'), 'found localhost:80'],
  [address('▲80'), 'found 80'],
  [address('▲[fd00, 1]'), 'found a list'],
  [address('▲fd00::1:80'), 'found fd00::1:80'],
  [address('▲"[10.0.0.1]:80"'), 'found [10.0.0.1]:80'],
  [servers('{ address: ▲10.0.0.9 }'), 'address: expected an address and port such as 192.168.1.9:80, found 10.0.0.9'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: ▲nobody } }'), 'fallback: expected an address and port'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: ▲10.0.0.2 } }'), 'fallback: expected an address and port such as 192.168.1.9:80, found 10.0.0.2'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: { address: 10.0.0.2:80, forwarding: ▲direkt } } }'), 'unknown forwarding direkt: did you mean direct?'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: { address: ▲10.0.0.2:81, forwarding: direct } } }'), 'forwarding by direct keeps the port: expected port 80, found 81'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: { address: ▲10.0.0.1:80 } } }'), 'the fallback is the service itself'],
  [pool('network: { bridge: br0, address: ▲10.0.0.5 }'), 'address: expected an address with its prefix length'],
  [pool('network: { bridge: br0, address: ▲10.0.0.5/33 }'), 'found 10.0.0.5/33'],
  [pool('count: 2, network: { bridge: br0, addresses: [10.0.0.5/24, ▲x], gateway: 10.0.0.1 }'), 'addresses: expected an address'],
  [pool('network: { bridge: br0, address: 10.0.0.5/24, gateway: ▲router }'), 'gateway: expected the address of a router, found router'],
  [pool('network: { bridge: ▲a-very-long-bridge-name, address: 10.0.0.5/24 }'), 'bridge: expected the name of a network bridge'],
]

// biome-ignore format: one row each
const words: Row[] = [
  [host('hypervisor: ▲vmware'), 'unknown hypervisor vmware'],
  [host('hypervisor: ▲quemu'), 'unknown hypervisor quemu: did you mean qemu?'],
  [service('scheduler: ▲wlcc'), 'unknown scheduler wlcc: did you mean wlc?'],
  [service('scheduler: ▲RR'), 'unknown scheduler RR: did you mean rr?'],
  [service('scheduler: ▲12'), 'scheduler: expected one of rr wrr'],
  [service('forwarding: ▲nat'), 'unknown forwarding nat: did you mean masq?'],
  [service('protocol: ▲http'), 'unknown protocol http'],
  [service('on-failure: ▲drian'), 'unknown on-failure drian: did you mean drain?'],
  [service('proxy-protocol: ▲v3'), 'unknown PROXY protocol version v3'],
  [service('check: ▲http'), 'unknown check http'],
  [service('check: [tcp, ▲http]'), 'unknown check http'],
  [service('check: ▲[]'), 'check: an empty list checks nothing'],
  [service('check: [tcp, ▲{ every: 2s }]'), 'an entry of services.www.check does not say what it is'],
  [service('check: [{ tcp: true, ▲status: 200 }]'), 'status does not go with tcp'],
  [service('check: ▲none'), 'unknown check none'],
  [servers('{ guests: web, port: 80, check: ▲non }'), 'unknown check non: did you mean none?'],
  [servers('{ guests: web, port: 80, check: { http: /, ▲fal: 2 } }'), 'unknown key fal: did you mean fall?'],
  [servers('{ guests: web, port: 80, ▲check: {} }'), 'services.www.servers.0.check does not say what it is'],
  [pool('network: ▲dhpc'), 'unknown network dhpc: did you mean dhcp?'],
  [image('builtin: ▲tinny'), 'unknown built-in image tinny: did you mean tiny?'],
  [image('debootstrap: ▲Bookworm'), 'debootstrap: expected the name of a Debian suite'],
  [image('debootstrap: bookworm, packages: [nginx, ▲Foo Bar]'), 'packages: expected the name of a Debian package, found "Foo Bar"'],
  [image('debootstrap: bookworm, mirror: ▲mirror.example'), 'mirror: expected a URL'],
  [image('debootstrap: bookworm, files: { ▲etc/motd: ./motd }'), 'etc/motd is not an absolute path'],
  [check('http: ▲healthz'), 'http: expected a path such as /healthz, found healthz'],
  [check('http: /, status: ▲99'), 'status: expected status codes'],
  [check('http: /, status: ▲299-200'), 'found 299-200'],
  [check('http: /, status: [200, ▲600]'), 'found 600'],
  [check('http: /, status: ▲[]'), 'status: expected status codes'],
  [check('http: /, body: ▲"("'), 'body: expected a regular expression'],
  [check('http: /, tls: ▲on'), 'tls: expected true or false, found on'],
  [check('http: /, tls: { sni: ▲a b }'), 'sni: expected a host name, found "a b"'],
  [check('http: /, method: ▲PUT'), 'unknown method PUT'],
  [check('http: /, headers: ▲{ "a b": x }'), '"a b" is no name of a header'],
  [check('http: /, headers: ▲{ x: 1 }'), 'expected text for x, found 1'],
  [check('http: /, headers: ▲x'), 'headers: expected a map of header names and their values'],
  [check('http: /, redirects: ▲-1'), 'redirects: expected a whole number from 0 to 20'],
  [check('http-proxy: ▲/x'), 'http-proxy: expected a URL such as http://www.shop/'],
  [check('udp: ▲ping'), 'udp: expected true or false, found ping'],
  [check('udp: { ▲sned: ping }'), 'unknown key sned: did you mean send?'],
  [check('udp: { send-hex: ▲abc }'), 'send-hex: expected hexadecimal digits such as 0a1b, found abc'],
  [check('udp: { expect-hex: ▲0g }'), 'x for any digit'],
  [check('udp: { expect: ▲"(" }'), 'expect: expected a regular expression'],
  [check('ping: { bytes: ▲70000 }'), 'bytes: expected a whole number from 0 to 65507'],
  [check('▲dns: { type: A }'), 'services.www.check.dns has no name: expected a name such as www.shop'],
  [check('dns: { name: a, type: ▲ALL }'), 'unknown type of records ALL'],
  [check('dns: { name: a, transport: ▲tls }'), 'unknown transport tls'],
  [check('certificate: { days: ▲14d }'), 'days: expected a whole number from 0 to 36500'],
  [check('grpc: { service: ▲[x] }'), 'service: expected the name of a gRPC service, found a list'],
  [check('▲external: {}'), 'services.www.check.external has no command: expected a shell line'],
  [check('external: { command: ▲[] }'), 'command: expected a shell line, or a list of a program and its arguments'],
  [check('external: { command: [/bin/x, ▲1] }'), 'expected text, found 1'],
  [check('agent: ▲up'), 'agent: expected true or false, found up'],
  [check('smtp: { ▲hello: a }'), 'unknown key hello: did you mean helo?'],
  [check('pop3: { ▲login: { user: a } }'), 'services.www.check.pop3.login has no password: expected a password'],
  [check('ftp: { path: ▲[x] }'), 'path: expected the path of a file, found a list'],
  [check('ldap: { filter: ▲(cn=a }'), 'filter: expected a filter such as (objectClass=*), found (cn=a'],
  [check('redis: { role: ▲slave }'), 'unknown role slave'],
  [check('sip: { user: ▲me }'), 'user: expected a user such as check@shop.example, found me'],
  [check('▲radius: { login: { user: a, password: b } }'), 'services.www.check.radius has no secret'],
  [check('radius: { login: { user: a, password: b }, secret: c, accept: [▲drop] }'), 'unknown answer drop'],
  [check('simpletcp: { expect: ▲"(" }'), 'expect: expected a regular expression'],
  [check('script: ▲x.mjs'), 'script checks are not run: foreign code inside of the director'],
  [host('storage: { dir: ▲srv }'), 'dir: expected an absolute path such as /srv/baton, found srv'],
  [directors('engine: ▲userspcae'), 'unknown engine userspcae: did you mean userspace?'],
]

// biome-ignore format: one row each
const combinations: Row[] = [
  [image('debootstrap: bookworm, ▲disk: ./x'), 'disk does not go with debootstrap'],
  [image('disk: ./x, ▲packages: [nginx]'), 'packages does not go with disk: it belongs to debootstrap'],
  [image('url: ▲https://a.example/b.qcow2'), 'url needs a checksum'],
  [image('disk: ./x, ▲checksum: https://a.example/SHA256SUMS'), 'checksum does not go with disk: it belongs to url'],
  [image('builtin: tiny, ▲cmdline: quiet'), 'cmdline does not go with builtin: it belongs to kernel'],
  [spec('images: { ▲web: { initrd: ./x } }'), 'does not say what it is'],
  [servers('{ guests: web, port: 80, ▲address: 10.0.0.9:80 }'), 'address does not go with guests'],
  [servers('{ address: 10.0.0.9:80, ▲port: 80 }'), 'port does not go with address'],
  [check('http: /, ▲tcp: true'), 'tcp does not go with http'],
  [check('tcp: true, ▲status: 200'), 'status does not go with tcp'],
  [check('tcp: ▲false'), 'tcp: false checks nothing'],
  [check('ping: ▲false'), 'ping: false checks nothing'],
  [check('dns: { name: a }, ▲body: x'), 'body does not go with dns: it belongs to http and http-proxy'],
  [check('http-proxy: http://a/, ▲host: b'), 'host does not go with http-proxy: it belongs to http'],
  [check('http: /, ▲send: x'), 'a GET has no body to send'],
  [check('http: /, method: HEAD, ▲body: x'), 'the answer to a HEAD has no body'],
  [check('imap: { tls: true, ▲starttls: true }'), 'starttls does not go with tls'],
  [check('mysql: { ▲query: select 1 }'), 'a query needs a login'],
  [check('udp: { send: a, ▲send-hex: "61" }'), 'send-hex does not go with send'],
  [check('udp: { expect: a, ▲expect-hex: "61" }'), 'expect-hex does not go with expect'],
  [pool('network: { bridge: br0, address: 10.0.0.5/24, ▲addresses: [10.0.0.5/24] }'), 'has both address and addresses'],
  [pool('network: { bridge: br0, ▲gateway: 10.0.0.1 }'), 'gateway needs a fixed address'],
]

// biome-ignore format: one row each
const references: Row[] = [
  [spec('images: { debian: { builtin: tiny } }\nguests: { web: { image: ▲debain } }'), 'there is no image debain: did you mean debian?'],
  [spec('guests: { web: { image: ▲constructor } }'), 'there is no image constructor'],
  [pool('host: ▲hv9'), 'there is no host hv9'],
  [servers('{ guests: ▲wbe, port: 80 }'), 'there is no guest pool wbe: did you mean web?'],
  [servers('{ guests: ▲web-1, port: 80 }'), 'web-1 is one guest: expected the name of a pool'],
  [directors('hosts: [▲hv2]'), 'there is no host hv2: did you mean hv1?'],
  [directors('hosts: ▲[]'), 'directors need a host'],
  [spec('guests:\n  web: { image: tiny, count: 3 }\n  ▲web-2: { image: tiny }'), 'two guests would be called web-2'],
  [spec('services:\n  a: { address: 10.0.0.1:80, servers: [], fallback: 10.0.0.2:80 }\n  b: { address: ▲10.0.0.1:80, servers: [], fallback: 10.0.0.2:80 }'), "tcp 10.0.0.1:80 is another service's address already: line 3"],
  [spec('services:\n  a: { address: "[fd00::1]:80", servers: [], fallback: 10.0.0.2:80 }\n  b: { address: ▲"[FD00:0::1]:80", servers: [], fallback: 10.0.0.2:80 }'), "tcp [fd00::1]:80 is another service's address already"],
  [servers('{ address: 10.0.0.9:80 }, { address: ▲10.0.0.9:80 }'), '10.0.0.9:80 is a server of www already'],
  [servers('{ guests: web, port: 80 }, { guests: ▲web, port: 80 }'), 'web port 80 is a server of www already'],
  [servers('{ address: ▲10.0.0.1:80 }'), 'the server is www itself'],
  [spec('services: { www: { address: 10.0.0.1:80, servers: [], fallback: ▲10.0.0.1:80 } }'), 'the fallback is the service itself'],
  [spec('hosts: { h: { bridge-address: ▲10.0.0.1/24 } }'), 'bridge-address needs the name of the bridge'],
  [spec('hosts: { h: { bridge: br0, bridge-address: ▲10.0.0.1 } }'), 'bridge-address: expected an address with its prefix length'],
  [spec('hosts: { h: { bridge: br0, bridge-address: 10.0.0.1/24 } }\nguests: { web: { image: tiny, network: { address: ▲10.0.0.1/24 } } }'), "10.0.0.1 is the host's own address on the bridge"],
  [pool('network: ▲dhcp'), 'this network needs a bridge, and the host local names none'],
  [spec('hosts: { hv1: {} }\nguests: { web: { image: tiny, network: ▲{ address: 10.0.0.5/24 } } }'), 'the host hv1 names none'],
  [pool('count: 2, network: { bridge: br0, ▲addresses: [10.0.0.5/24] }'), 'web has 2 guests and 1 addresses'],
  [pool('count: 2, network: { bridge: br0, addresses: [10.0.0.5/24, ▲10.0.0.5/24] }'), '10.0.0.5 is taken: first in line 3'],
  [pool('network: { bridge: br0, address: 10.0.0.5/24, gateway: ▲10.0.1.1 }'), 'the gateway 10.0.1.1 is not in the network of 10.0.0.5/24'],
  [spec('guests: { web: { image: tiny, network: { bridge: br0, address: 10.0.0.1/24 } } }\nservices: { www: { address: ▲10.0.0.1:80, servers: [], fallback: 10.0.0.2:80 } }'), "10.0.0.1 is a guest's own address"],
  [directors('sync: { interface: eth0, group: ▲10.0.0.1 }'), 'group: expected a multicast address'],
  [directors('sync: { interface: eth0, id: ▲256 }'), 'id: expected a whole number'],
  [directors('sync: { interface: eth0, retries: ▲4 }'), 'retries: expected a whole number'],
  [directors('▲sync: { id: 1 }'), 'sync has no interface'],
  [directors('sync: { interface: eth0, ▲key: x }'), 'key'],
  [spec('hosts:\n  hv1: {}\n  ▲hv2: {}'), 'hv2 is the same machine as hv1'],
  [host('ssh: ▲root@'), 'expected where to connect by SSH, such as root@hv1'],
  [host('sudo: ▲true'), 'sudo is for hosts over SSH'],
  [host('ssh: hv1, hypervisor: ▲fake'), 'fake guests are pretended on this machine'],
  [spec('hosts: { here: {}, hv1: { ssh: root@hv1 } }\nguests: { web: { image: tiny, host: hv1, restart: ▲{} } }'), 'a guest is restarted by the director of its own machine, and web runs on hv1, directed by here'],
  [spec('hosts: { here: {}, hv1: { ssh: root@hv1 } }\nguests: { web: { image: tiny, host: hv1 } }\nservices: { www: { address: 10.0.0.1:80, servers: [{ guests: ▲web, port: 80 }] } }'), 'www is directed by here, from where the guests of web on hv1 with network: user cannot be reached'],
]

// biome-ignore format: one row each
const notYet: Row[] = [
  [host('storage: { lvm: ▲vg0 }'), 'storage on LVM needs hypervisor: xen'],
  [host('hypervisor: xen, storage: { dir: /srv, lvm: ▲vg0 }'), 'expected one of dir and lvm'],
  [host('hypervisor: xen, bridge: xenbr0, bridge-address: ▲10.0.0.1/24'), 'with hypervisor: xen the bridge is made once'],
  [host('hypervisor: libvirt, bridge: br0, bridge-address: ▲10.0.0.1/24'), 'with hypervisor: libvirt the bridge is made once'],
  [spec('hosts: { a: { hypervisor: xen, bridge: xenbr0 } }\nguests: { w: { image: tiny, network: ▲user } }'), 'guests on Xen are on a bridge'],
  [spec('hosts: { a: { hypervisor: xen, bridge: xenbr0 } }\nguests: { w: ▲{ image: tiny } }'), 'guests on Xen are on a bridge'],
  [pool('cloud-init: { ▲userdata: x }'), 'unknown key userdata: did you mean user-data?'],
  [pool('cloud-init: { user-data: ▲./none.yaml }'), 'none.yaml cannot be read'],
  [pool('cloud-init: { user-data: ▲[1] }'), 'expected user data: a map, text, or the path of a file, found a list'],
  [pool('cloud-init: { user-data: ▲"packages: [nginx]\\n" }'), 'cloud-init does not take this for user data'],
  [pool('cloud-init: { meta-data: ▲{ instance-id: x } }'), 'instance-id is given to each guest'],
  [pool('cloud-init: { network-config: ▲"# none\\n- 1\\n" }'), 'network-config is not a map in YAML'],
  [pool('cloud-init: { user: ▲admin }'), 'nobody could log in as admin'],
  [pool('cloud-init: { ssh-keys: ▲[./none.pub] }'), 'none.pub cannot be read'],
  [pool('cloud-init: { ssh-keys: ["ssh-ed25519 A"], user-data: ▲{ ssh_authorized_keys: [] } }'), 'ssh_authorized_keys is in the user data, and made of'],
  [pool('cloud-init: { ssh-keys: ["ssh-ed25519 A"], user-data: ▲"#!/bin/sh" }'), 'go with user data that is a map'],
  [pool('cloud-init: { network-config: ▲"a: [\\n" }'), 'network-config is not YAML'],
  [pool('swap: ▲much'), 'expected a size such as 1000M'],
  [spec('hosts: { a: { hypervisor: fake }, b: { hypervisor: fake } }\ndirectors: { hosts: [a, ▲a] }'), 'a is named on line 3 already'],
  [spec('directors: { vrrp: { interface: eth0, id: 1, addresses: [10.0.0.1/24], priority: { ▲hv1: 1, local: 2 } } }'), 'hv1 does not direct'],
  [spec('hosts: { a: {}, b: { ssh: b } }\ndirectors: { hosts: [a, b], vrrp: { interface: eth0, id: 1, addresses: [10.0.0.1/24], priority: ▲{ a: 1 } } }'), 'priority: there is none for b'],
  [spec('hosts: { a: {}, b: { ssh: b } }\ndirectors: { hosts: [a, b], vrrp: { interface: eth0, id: 1, addresses: [10.0.0.1/24], priority: { a: 1, b: ▲300 } } }'), 'b: expected'],
  [spec('hosts: { a: {}, b: { ssh: b } }\nguests: { w: { image: tiny, host: a } }\nservices: { x: { address: 10.0.0.1:80, servers: [{ guests: ▲w, port: 80 }] } }\ndirectors: { hosts: [a, b] }'), 'x is directed by b, from where the guests of w on a'],
]

// biome-ignore format: one row each
const variables: Row[] = [
  ['name: ▲${NOPE}\n', 'the environment has no variable NOPE'],
  [pool('memory: ▲${NOPE}'), 'the environment has no variable NOPE'],
  [pool('memory: ▲${MEMORY}x'), 'found 256Mx'],
  ['name: ▲${1X}\n', 'this ${ does not begin a variable'],
  ['name: ▲${SHOP\n', 'this ${ does not begin a variable'],
  [pool('count: ▲${SHOP}'), 'count: expected a whole number from 0 to 100000, found shop'],
  [pool('count: ▲"${THREE}"'), 'found the text "3"'],
  ['name: shop\ninclude: ▲missing.yaml\n', 'cannot read the included file missing.yaml'],
  ['name: shop\ninclude: [▲~/x.yaml]\n', 'cannot tell where ~/x.yaml is'],
  ['name: shop\nimages: { web: { disk: ▲~/x.qcow2 } }\n', 'cannot tell where ~/x.qcow2 is'],
]

// biome-ignore format: one row each
const many: Row[] = [
  [
    'name: ▲my shop\nguests:\n  web: { image: ▲nope, memory: ▲1, ▲cpuz: 2 }\nservices:\n  ▲www:\n    scheduler: ▲wlcc\n    servers: [{ guests: ▲wbe, port: ▲0 }]\n    check: { http: ▲x, every: ▲5 }\n▲zzz: 1\n',
    'name: expected', 'no image nope', 'found 1 without a unit', 'unknown key cpuz', 'has no address', 'unknown scheduler wlcc',
    'no guest pool wbe', 'port: expected', 'http: expected', 'found 5 without a unit', 'unknown key zzz',
  ],
]

/** A service by itself, without an address. */
const bare = (inside: string): string => spec(`services:\n  www: { servers: [], fallback: 10.0.0.2:80, ${inside} }`)
/** A service with a pool that its rules can lead to. */
const led = (inside: string): string =>
  `${service(inside)}  api: { servers: [{ address: 10.0.0.9:80 }] }\n  x: { address: 10.0.0.7:80, servers: [], http: { rules: [{ to: api }] } }\n`
const real = (inside: string): string =>
  service(`servers: [{ address: 10.0.0.9:80, ${inside} }]`).replace('    servers: []\n', '')

// biome-ignore format: one row each
const kinds: Row[] = [
  [bare('mark: ▲0'), 'mark: expected a whole number from 1 to 4294967295, found 0'],
  [bare('mark: ▲x'), 'mark: expected a whole number'],
  [bare('▲fwmark: 5'), 'unknown key fwmark: did you mean mark?'],
  [bare('mark: 5, ▲address: 10.0.0.1:80'), 'address does not go with mark'],
  [bare('mark: 5, ▲protocol: udp'), 'protocol does not go with mark'],
  [bare('mark: 5, ▲http: {}'), 'http does not go with mark'],
  [bare('mark: 5, ▲proxy-protocol: v1'), 'proxy-protocol does not go with mark'],
  [bare('mark: 5, family: ▲ipv5'), 'unknown family ipv5: did you mean ipv4?'],
  [service('▲family: ipv6'), 'family does not go with address'],
  [spec('services:\n  a: { mark: 5, servers: [], fallback: 10.0.0.2:80 }\n  b: { mark: ▲5, servers: [], fallback: 10.0.0.2:80 }'), "mark 5 ipv4 is another service's already: line 3"],
  [bare('▲dns: { name: www.shop }'), 'dns needs an address'],
  [service('dns: { name: ▲www..shop }'), 'name: expected a name such as www.shop, found www..shop'],
  [service('▲dns: {}'), 'services.www.dns has no name'],
  [service('dns: { name: a, ttl: ▲5 }'), 'ttl: expected a duration such as 5s, found 5 without a unit'],
  [service('dns: { name: a, ttl: ▲1500ms }'), '1500ms is not a whole number of seconds'],
  [service('dns: { name: a }\n    ▲persistence: 5m'), 'persistence does not go with dns'],
  [service('dns: { name: a }\n    ▲protocol: udp'), 'protocol does not go with dns'],
  [service('dns: { name: a }\n    ▲sni: {}'), 'sni does not go with dns'],
  [spec('services:\n  a: { address: 10.0.0.1:53, dns: { name: www.shop }, servers: [], fallback: 10.0.0.2:80 }\n  b: { address: 10.0.0.1:53, dns: { name: ▲WWW.shop. }, servers: [], fallback: 10.0.0.2:80 }'), "www.shop at 10.0.0.1:53 is another service's address already: line 3"],
  [spec('services:\n  a: { address: 10.0.0.1:53, dns: { name: www.shop }, servers: [], fallback: 10.0.0.2:80 }\n  b: { address: ▲10.0.0.1:53, servers: [], fallback: 10.0.0.2:80 }'), 'tcp 10.0.0.1:53 is where questions for names are answered: line 3'],
  [bare('▲http: {}').replace('www:', '▲www:').replace('▲http', '▲http'), 'services.www has no address', 'http does not go with a service without an address'],
  [bare('▲adress: 10.0.0.1:80'), 'unknown key adress: did you mean address?'],
  [led('http: { rules: [{ to: ▲apx }] }'), 'there is no service without an address apx: did you mean api?'],
  [led('http: { rules: [{ to: ▲www }] }'), 'www has an address of its own: expected a service without one'],
  [led('http: { rules: [▲{ host: a }] }'), 'an entry of services.www.http.rules has no to: expected the name of a service without an address'],
  [led('http: { rules: [{ host: ▲"a b", to: api }] }'), 'host: expected a host name such as shop.example or "*.shop.example", found "a b"'],
  [led('http: { rules: [{ host: ▲shop.example:80, to: api }] }'), 'host: expected a host name'],
  [led('http: { rules: [{ path: ▲api, to: api }] }'), 'path: expected a path such as /api/, found api'],
  [led('http: { rules: [{ ▲exact: true, to: api }] }'), 'exact goes with path'],
  [led('http: { rules: [{ header: ▲"a b", to: api }] }'), 'header: expected the name of a header, found "a b"'],
  [led('http: { rules: [{ header: { name: a, ▲valu: b }, to: api }] }'), 'unknown key valu: did you mean value?'],
  [led('http: { rules: [{ cookie: ▲[a], to: api }] }'), 'cookie: expected the name of a cookie, found a list'],
  [led('http: { rules: ▲{ to: api } }'), 'rules: expected a list, found a map'],
  [led('http: { rules: [{ ▲pool: api }] }').replace('[{ ▲', '[▲{ ▲'), 'has no to', 'unknown key pool'],
  [led('http: { forwarded: [▲xff] }'), 'unknown header xff'],
  [led('sni: { rules: [{ ▲path: /, to: api }] }'), 'unknown key path'],
  [led('sni: { ▲certificates: [{ certificate: a, key: b }] }'), 'unknown key certificates'],
  [led('▲tls: { rules: [{ to: api }] }'), 'services.www.tls has no certificates: expected a list'],
  [led('tls: { certificates: ▲[] }'), 'certificates: expected at least one'],
  [led('tls: { certificates: [▲{ certificate: a.pem }] }'), 'has no key: expected the path of a PEM file'],
  [led('http: {}\n    ▲sni: {}'), 'sni does not go with http: expected only one of http, sni, tls'],
  [led('http: {}\n    protocol: ▲udp'), 'http goes over tcp, not udp'],
]

// biome-ignore format: one row each
const fine: Row[] = [
  [service('scheduler: sh\n    scheduler-flags: [▲mh-port]'), 'the scheduler sh has no flag mh-port'],
  [service('scheduler-flags: [▲sh-port]'), 'the scheduler wlc has no flag sh-port'],
  [service('scheduler-flags: [▲sh-prot]'), 'unknown scheduler flag sh-prot: did you mean sh-port?'],
  [service('scheduler-flags: ▲sh-port'), 'scheduler-flags: expected a list, found sh-port'],
  [service('persistence: { timeout: ▲5 }'), 'timeout: expected a duration such as 300s, found 5 without a unit'],
  [service('persistence: { mask: ▲33 }'), 'the service is IPv4: expected a mask, or a prefix length up to 32, found 33'],
  [service('persistence: { mask: ▲wide }'), 'mask: expected a mask such as 255.255.255.0, or a prefix length, found wide'],
  [bare('mark: 5, family: ipv6, persistence: { mask: ▲255.255.255.0 }'), 'the service is IPv6: expected a prefix length such as 64'],
  [service('persistence: { engine: ▲spi }'), 'unknown persistence engine spi: did you mean sip?'],
  [service('persistence: { engine: ▲sip }'), 'sip persistence goes over udp'],
  [service('▲one-packet: true'), 'one-packet goes over udp'],
  [service('one-packet: ▲yes'), 'one-packet: expected true or false, found yes'],
  [real('upper-threshold: ▲-1'), 'upper-threshold: expected a whole number'],
  [real('lower-threshold: ▲5'), 'lower-threshold 5 is above upper-threshold 0'],
  [real('forwarding: ▲nat'), 'unknown forwarding nat: did you mean masq?'],
  [real('▲tunnel: {}'), 'tunnel goes with forwarding: tunnel'],
  [real('forwarding: tunnel, tunnel: { type: ▲vxlan }'), 'unknown tunnel type vxlan'],
  [real('forwarding: tunnel, ▲tunnel: { type: gue }'), 'a gue tunnel needs a port'],
  [real('forwarding: tunnel, tunnel: { ▲port: 6080 }'), 'port does not go with ipip: it belongs to gue'],
  [real('forwarding: tunnel, tunnel: { ▲checksum: csum }'), 'checksum does not go with ipip'],
  [real('forwarding: tunnel, tunnel: { type: gre, checksum: ▲remcsum }'), 'remcsum does not go with gre'],
  [service('servers: [{ address: ▲10.0.0.9:8080, forwarding: direct }]').replace('    servers: []\n', ''), 'forwarding by direct keeps the port: expected port 80, found 8080'],
  [bare('mark: 5, check: tcp').replace('servers: []', 'servers: [{ address: ▲10.0.0.9 }]'), 'this server has no port to check'],
  [directors('timeouts: { tcp: ▲900 }'), 'tcp: expected a duration such as 15m, found 900 without a unit'],
  [directors('timeouts: { ▲tcp-fin: 2m }'), 'unknown key tcp-fin: did you mean tcpfin?'],
  [directors('notify: [{ ▲webhok: x }]'), 'unknown key webhok: did you mean webhook?'],
  [directors('notify: [{ webhook: ▲hooks.example.org }]'), 'webhook: expected a URL such as'],
  [directors('notify: [{ webhook: ▲"http://[" }]'), 'webhook: expected a URL such as'],
  [directors('notify: [{ webhook: "https://a/", ▲command: x }]'), 'command does not go with webhook'],
  [directors('notify: [{ command: x, ▲headers: { A: b } }]'), 'headers does not go with command: it belongs to webhook'],
  [directors('notify: [▲{ events: [server.health] }]'), 'does not say what it is: expected one of webhook, command'],
  [directors('notify: [{ command: x, events: [▲server.heath] }]'), 'unknown event server.heath: did you mean server.health?'],
  [directors('notify: [{ command: x, events: ▲[] }]'), 'an empty list tells nothing'],
  [directors('notify: [{ command: [page, ▲1] }]'), 'expected text, found 1'],
  [directors('notify: ▲page'), 'notify: expected a list, found page'],
  [directors('metrics: ▲9600'), 'metrics: expected an address and port such as 127.0.0.1:9600'],
  [directors('metrics: ▲"localhost:9600"'), 'metrics: expected an address and port'],
  [`${address('10.0.0.1:80')}directors: { metrics: ▲"10.0.0.1:80" }\n`, '10.0.0.1:80 is where www stands'],
  [directors('ebpf: { ▲xpd: auto }'), 'unknown key xpd: did you mean xdp?'],
  [directors('ebpf: { xdp: ▲generic }'), 'unknown way of XDP generic'],
  [directors('ebpf: { limits: { connections: ▲1 } }'), 'connections: expected a whole number from 16 to 100000000, found 1'],
  [directors('ebpf: { limits: { half-open: ▲2000000 } }'), 'half-open 2000000 is above connections 1000000'],
  [directors('engine: userspace, ▲ebpf: { xdp: auto }'), 'ebpf does not go with engine: userspace'],
  [directors('sysctls: { ▲expire_nodest: 1 }'), 'unknown key expire_nodest'],
  [directors('sysctls: { expire_nodest_conn: ▲true }'), 'expire_nodest_conn: expected a whole number'],
]

const environment = { SHOP: 'shop', MEMORY: '256M', THREE: '3', EMPTY: '' }

/** The text without its marks, and the places where they stood. */
function unmark(marked: string): { text: string; places: string[] } {
  const parts = marked.split('▲')
  const places = parts.slice(1).map((_, index) => {
    const before = parts.slice(0, index + 1).join('')
    return `${before.split('\n').length}:${before.length - before.lastIndexOf('\n')}`
  })
  return { text: parts.join(''), places }
}

const tables = {
  syntax,
  keys,
  missing,
  names,
  shapes,
  sizes,
  numbers,
  addresses,
  words,
  combinations,
  kinds,
  fine,
  references,
  notYet,
  variables,
  many,
}

describe.each(Object.entries(tables))('malformed specs: %s', (_, rows) => {
  test.each(rows.map(([text, ...fragments]) => ({ text, fragments, name: JSON.stringify(text.slice(0, 200)) })))(
    '$name is refused at its place',
    ({ text: marked, fragments }) => {
      const { text, places } = unmark(marked)
      const { spec, diagnostics } = parseSpec({ file: 'baton.yaml', text, environment, readInclude: () => undefined })
      expect(diagnostics.map(({ line, column }) => `${line}:${column}`).join(' '), JSON.stringify(diagnostics)).toBe(
        places.join(' '),
      )
      expect(diagnostics.map(({ file }) => file)).toEqual(places.map(() => 'baton.yaml'))
      for (const [index, fragment] of fragments.entries()) expect(diagnostics[index]?.message).toContain(fragment)
      expect(fragments).toHaveLength(places.length)
      expect(diagnostics.every(({ severity }) => severity === 'error')).toBe(true)
      expect(spec).toBeUndefined()
    },
  )
})

test('there are at least a hundred malformed specs', () => {
  expect(Object.values(tables).flat().length).toBeGreaterThanOrEqual(100)
})
