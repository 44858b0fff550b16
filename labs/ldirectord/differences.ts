/**
 * Where the tables differ, and are to: each is a row of docs/compat/ldirectord.md, and a configuration `differs-…` that
 * shows it. `less` stands on ldirectord's side alone, `more` on Baton's alone; `ends`: ldirectord does not live on.
 */
export type Difference = {
  readonly name: string
  readonly less?: readonly string[]
  readonly more?: readonly string[]
  readonly ends?: true
}

export const differences: readonly Difference[] = [
  {
    name: 'differs-port',
    less: ['-a -t 10.0.0.1:80 -r 10.9.0.1:0 -m -w 3'],
    more: ['-a -t 10.0.0.1:80 -r 10.9.0.1:80 -m -w 3'],
  },
  { name: 'differs-login', less: ['-a -t 10.0.0.2:110 -r 10.9.0.1:110 -m -w 1'] },
  {
    name: 'differs-quiescent',
    less: ['-a -t 10.0.0.1:80 -r 10.9.0.5:80 -m -w 0'],
    more: ['-a -t 10.0.0.1:80 -r 10.9.0.5:80 -m -w 0 -x 9 -y 1'],
  },
  { name: 'differs-shared', more: ['-a -t 10.0.0.1:80 -r 10.9.0.5:80 -m -w 0'] },
  { name: 'differs-authority', more: ['-a -t 10.0.0.1:443 -r 10.9.0.3:443 -m -w 1'] },
  {
    name: 'differs-greeting',
    less: ['-a -t 10.0.0.1:110 -r 10.9.0.8:110 -m -w 1', '-a -t 10.0.0.1:21 -r 10.9.0.8:21 -m -w 1'],
  },
  { name: 'differs-dns', more: ['-a -u 10.0.0.1:53 -r 10.9.0.1:53 -m -w 1'] },
  { name: 'differs-signal', less: ['-a -t 10.0.0.1:80 -r 10.9.0.1:80 -m -w 1'] },
  { name: 'differs-redirect', less: ['-a -t 10.0.0.1:80 -r 10.9.0.6:80 -m -w 1'] },
  {
    name: 'differs-range',
    more: ['59.154.201.254', '59.154.201.255', '59.154.202.0', '59.154.202.1'].map(
      (address) => `-a -t 10.0.0.1:80 -r ${address}:80 -m -w 1`,
    ),
  },
  { name: 'differs-lines', more: ['-a -t 10.0.0.1:7000 -r 10.9.0.1:7000 -m -w 1'] },
  {
    name: 'differs-http6',
    more: ['-A -t [fd00::1]:80 -s wrr', '-a -t [fd00::1]:80 -r [fd09::3]:80 -m -w 1'],
    ends: true,
  },
  { name: 'differs-huge', less: ['-a -t 10.0.0.1:80 -r 10.9.0.1:80 -m -w 1'] },
]
