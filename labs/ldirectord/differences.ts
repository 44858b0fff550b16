/**
 * Where the tables differ, and are to: each is a block of `configs/differs.cf` and a row of docs/compat/ldirectord.md.
 * `less` stands in ldirectord's table alone, `more` in Baton's alone.
 */
export type Difference = { readonly name: string; readonly less?: readonly string[]; readonly more?: readonly string[] }

const server = (virtual: string, server: string, more = ''): string =>
  `-a ${virtual} -r ${server} -m -w ${more === '' ? '1' : more}`

export const differences: readonly Difference[] = [
  {
    name: 'port',
    less: [server('-t 10.0.0.1:80', '10.9.0.1:0', '3')],
    more: [server('-t 10.0.0.1:80', '10.9.0.1:80', '3')],
  },
  { name: 'login', less: [server('-t 10.0.0.3:110', '10.9.0.1:110')] },
  {
    name: 'thresholds',
    less: [server('-t 10.0.0.4:80', '10.9.0.5:80', '0')],
    more: [server('-t 10.0.0.4:80', '10.9.0.5:80', '0 -x 9 -y 1')],
  },
  { name: 'shared', more: [server('-t 10.0.0.5:80', '10.9.0.8:80', '0')] },
  { name: 'authority', more: [server('-t 10.0.0.7:443', '10.9.0.3:443')] },
  {
    name: 'greeting',
    less: [server('-t 10.0.0.8:110', '10.9.0.8:110'), server('-t 10.0.0.8:21', '10.9.0.8:21')],
  },
  { name: 'dns', more: [server('-u 10.0.0.9:53', '10.9.0.1:53')] },
  { name: 'signal', less: [server('-t 10.0.0.10:80', '10.9.0.1:80')] },
  { name: 'redirect', less: [server('-t 10.0.0.11:80', '10.9.0.6:80')] },
  {
    name: 'range',
    more: ['59.154.201.254', '59.154.201.255', '59.154.202.0', '59.154.202.1'].map((address) =>
      server('-t 10.0.0.12:80', `${address}:80`),
    ),
  },
  { name: 'lines', more: [server('-t 10.0.0.13:7000', '10.9.0.1:7000')] },
  { name: 'huge', less: [server('-t 10.0.0.14:80', '10.9.0.1:80')] },
  {
    name: 'own-request',
    less: [server('-t 10.0.0.15:80', '10.9.0.1:80'), server('-t 10.0.0.15:80', '10.9.0.2:80', '2')],
    more: [server('-t 10.0.0.15:80', '10.9.0.1:80', '1 -x 9')],
  },
  { name: 'command-port', less: [server('-t 10.0.0.16:80', '10.9.0.1:0')] },
]
