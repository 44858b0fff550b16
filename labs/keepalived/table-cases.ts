/** Files whose tables keepalived and Baton are to have alike, and what happens to their real servers meanwhile. */

/** `NAME` of a step's lists is a file in the case's directory that says whether the check of that name passes. */
type Step = { readonly up?: readonly string[]; readonly down?: readonly string[] }
export type Case = {
  readonly name: string
  /** DIR is the case's directory. */
  readonly file: string
  readonly services: number
  /** So many looks that show the same, half a second apart, say that nothing follows: longer than the checks' interval. */
  readonly quietLooks: number
  readonly steps: readonly Step[]
}

/** keepalived hears of a file's changes: no process is started, which is dear in a guest. */
const real = (address: string, check: string, more = ''): string => `
  real_server ${address} {
    ${more}
    FILE_CHECK {
      track_file ${check}
    }
  }`
/** A command that passes while the file says 0. */
const asked = (address: string, check: string, more = ''): string => `
  real_server ${address} {
    ${more}
    MISC_CHECK {
      misc_path "/bin/grep -q 0 DIR/${check}"
      misc_timeout 30
      retry 0
    }
  }`

const virtual = (head: string, ...more: readonly string[]): string => `
virtual_server ${head} {
  delay_loop 3
  warmup 0
  lb_algo rr
  quorum_up "DIR/told.sh <${head}> up"
  quorum_down "DIR/told.sh <${head}> down"
  ${more.join('\n  ')}
}`

const globals = `
global_defs {
  enable_script_security
  script_user root
  lvs_notify_fifo DIR/fifo
}
${['a', 'b', 'c'].map((name) => `track_file ${name} {\n  file DIR/${name}\n  weight 0\n}`).join('\n')}
`

const three = (more = '', of = real): string =>
  ['a', 'b', 'c'].map((name, at) => of(`10.0.0.${at + 11} 80`, name, more)).join('')
const all: readonly Step[] = [{}, { down: ['a'] }, { down: ['b'] }, { down: ['c'] }, { up: ['b'] }, { up: ['a', 'c'] }]

export const cases: readonly Case[] = [
  {
    name: 'quorum',
    services: 5,
    quietLooks: 4,
    file: [
      globals,
      virtual('10.0.1.1 80', 'protocol TCP', 'lb_kind NAT', 'quorum 2', 'sorry_server 10.0.0.9 81', three()),
      virtual('10.0.1.2 80', 'protocol TCP', 'lb_kind NAT', 'quorum 2', 'hysteresis 1', 'sorry_server 10.0.0.9 81', three()),
      virtual('10.0.1.3 80', 'protocol TCP', 'lb_kind NAT', 'quorum 3', three()),
      virtual('10.0.1.4 80', 'protocol TCP', 'lb_kind NAT', 'quorum 2', 'inhibit_on_failure', 'sorry_server 10.0.0.9 81', 'sorry_server_inhibit', three()),
      virtual('10.0.1.5 80', 'protocol TCP', 'lb_kind NAT', 'quorum 4', 'sorry_server 10.0.0.9 81', real('10.0.0.11 80', 'a', 'weight 3'), real('10.0.0.12 80', 'b', 'weight 0'), real('10.0.0.13 80', 'c', 'weight 2\ninhibit_on_failure')),
    ].join(''),
    steps: all,
  },
  {
    name: 'alpha',
    services: 3,
    quietLooks: 10,
    file: [
      globals,
      virtual('10.0.1.1 80', 'protocol TCP', 'lb_kind NAT', 'alpha', 'omega', 'sorry_server 10.0.0.9 81', three('', asked)),
      virtual('10.0.1.2 80', 'protocol TCP', 'lb_kind NAT', 'alpha', 'inhibit_on_failure', asked('10.0.0.11 80', 'a')),
      virtual('10.0.1.3 80', 'protocol TCP', 'lb_kind NAT', 'omega', 'quorum 2', 'sorry_server 10.0.0.9 81', asked('10.0.0.11 80', 'a', 'alpha'), asked('10.0.0.12 80', 'b'), asked('10.0.0.13 80', 'c', 'inhibit_on_failure')),
    ].join(''),
    steps: [{ down: ['a', 'b'] }, { up: ['a'] }, { up: ['b'] }, { down: ['a', 'b', 'c'] }, { up: ['c'] }],
  },
  {
    name: 'kinds',
    services: 7,
    quietLooks: 4,
    file: [
      globals,
      virtual('10.0.1.1 80', 'protocol TCP', 'lb_kind DR', 'persistence_timeout 50', 'persistence_granularity 255.255.255.0', 'sorry_server 10.0.0.9 81', three()),
      virtual('10.0.1.1 53', 'protocol UDP', 'lb_kind TUN', 'ops', 'sorry_server 10.0.0.9 53', 'sorry_server_lvs_method NAT', three()),
      virtual('fwmark 7', 'lb_kind NAT', 'sorry_server 10.0.0.9 81', real('10.0.0.11 80', 'a', 'weight 5'), real('10.0.0.12 0', 'b'), real('10.0.0.13 80', 'c')),
      virtual('fd00::1 80', 'protocol TCP', 'lb_kind NAT', 'sorry_server fd00::9 81', real('fd00::11 80', 'a'), real('fd00::12 8080', 'b', 'uthreshold 9\nlthreshold 3'), real('fd00::13 80', 'c', 'weight 0')),
      `
virtual_server_group G {
  10.0.2.1-2 80
  fwmark 9
}`,
      virtual('group G', 'protocol TCP', 'lb_kind NAT', three()),
    ].join(''),
    steps: [{}, { down: ['a'] }, { down: ['b', 'c'] }, { up: ['a', 'b', 'c'] }],
  },
] // biome-ignore format: files, a virtual server to a line
