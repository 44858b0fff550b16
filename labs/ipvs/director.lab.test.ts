/** A director on the kernel's IPVS, under Debian's kernel: its table, checks, edits of others beside it, its ends and the next one. */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { execute } from '../ebpf/world.ts'
import { underOtherKernel } from '../kernel/guest.ts'

const root = join(import.meta.dirname, '../..')

/** A client and a server beyond the director; what it serves, and a service that is somebody else's. */
const world = `
export BATON_RUNTIME_DIR=/run/b BATON_STATE_DIR=/run/s BATON_CACHE_DIR=/run/c NO_COLOR=1
baton=${root}/bin/baton
step() { echo "--- $1"; }
until_true() { tries=600; while ! eval "$1"; do tries=$((tries - 1)); [ $tries -gt 0 ] || { echo "in vain: $1"; cat /run/log; exit 9; }; sleep 0.2; done; }
shows() { ipvsadm -Ln | grep -q "$1"; }
ip link set lo up
for place in client server; do
  ip netns add $place
  ip -n $place link set lo up
done
ip link add c0 type veth peer name eth0 netns client
ip link add s0 type veth peer name eth0 netns server
ip address add 10.50.0.1/24 dev c0; ip link set c0 up
ip address add 10.60.0.1/24 dev s0; ip link set s0 up
ip -n client address add 10.50.0.2/24 dev eth0; ip -n client link set eth0 up
ip -n server address add 10.60.0.2/24 dev eth0; ip -n server link set eth0 up
ip -n server route add default via 10.60.0.1
answer() { ip netns exec server socat TCP-LISTEN:$1,fork,reuseaddr "SYSTEM:echo from $1" & }
answer 8081
answer 8082; second=$!
ipvsadm -A -t 10.50.0.99:99 -s rr
cat > /run/shop.yaml <<END
name: shop
services:
  www:
    address: 10.50.0.1:80
    scheduler: wlc
    servers: [{ address: 10.60.0.2:8081 }, { address: 10.60.0.2:8082, weight: 2 }]
    check: { tcp: true, every: 500ms, timeout: 5s, rise: 1, fall: 2 }
directors: { engine: auto }
END
begin() { $baton director --config /run/shop.yaml >> /run/log 2>&1 & director=$!; }
ended() { ! kill -0 $1 2> /dev/null; }
`

const script = `
uname -r
${world}
begin
until_true 'shows "10.60.0.2:8082 *Masq *2"'
step chosen; grep -o '"because":"[^"]*"' /run/log
step ours; $baton ipvsadm -Ln
step theirs; ipvsadm -Ln
step forwarding; cat /proc/sys/net/ipv4/ip_forward; $baton status
echo 1 > /proc/sys/net/ipv4/ip_forward
step traffic; ip netns exec client socat -T20 - TCP:10.50.0.1:80 < /dev/null
step drained
kill $second; pkill -P $second
until_true 'shows "10.60.0.2:8082 *Masq *0"'
ipvsadm -Ln -t 10.50.0.1:80
step healed
ipvsadm -e -t 10.50.0.1:80 -r 10.60.0.2:8081 -m -w 9
ipvsadm -d -t 10.50.0.1:80 -r 10.60.0.2:8082
until_true 'shows "10.60.0.2:8081 *Masq *1" && shows "10.60.0.2:8082 *Masq *0"'
ipvsadm -Ln
step killed
$baton ipvsadm -A -t 10.50.0.1:90 -s rr
kill -9 $director; until_true 'ended $director'
ipvsadm -Ln
step 'taken up'
begin
until_true '! shows 10.50.0.1:90'
until_true '$baton status > /dev/null 2>&1'
ipvsadm -Ln
step kept
kill -TERM $director; until_true 'ended $director'
ipvsadm -Ln
ip netns exec client socat -T20 - TCP:10.50.0.1:80 < /dev/null
step flushed
$baton director stop --flush
ipvsadm -Ln
step 'begun again'
begin
until_true 'shows 10.60.0.2:8081'
until_true '$baton status > /dev/null 2>&1'
step stopped
$baton director stop
ipvsadm -Ln
`

let sections: ReadonlyMap<string, string>

beforeAll(async () => {
  await execute(process.execPath, ['scripts/build.mjs'])
  const environment = `export HOME=/root PATH=${process.env['PATH'] ?? ''}\ncd ${root}\n`
  const { code, output } = await underOtherKernel(environment + script, { signal: AbortSignal.timeout(580_000) })
  expect(code, output).toBe(0)
  sections = new Map(
    output.split(/^--- /mu).map((part) => {
      const at = part.indexOf('\n')
      return [part.slice(0, at), part.slice(at + 1)]
    }),
  )
}, 600_000)

const said = (name: string): string => sections.get(name) ?? `there is no step ${name}: ${[...sections.keys()].join()}`
/** Services, servers below them with method and weight. */
const table = (name: string): string[] =>
  said(name)
    .split('\n')
    .filter((line) => /^(TCP| {2}->) .*\d/u.test(line))
    .map((line) =>
      line
        .trim()
        .split(/\s+/u)
        .slice(0, line.startsWith('TCP') ? 3 : 4)
        .join(' '),
    )
const foreign = 'TCP 10.50.0.99:99 rr'
const www = (first: number, second: number): string[] => [
  'TCP 10.50.0.1:80 wlc',
  `-> 10.60.0.2:8081 Masq ${first}`,
  `-> 10.60.0.2:8082 Masq ${second}`,
]

describe('a director on the kernel’s IPVS', () => {
  test('auto takes it, since it has services; and the table is what the real ipvsadm shows', () => {
    expect(said('chosen')).toContain('it has services here already')
    expect(table('ours')).toEqual([...www(1, 2), foreign])
    expect(said('ours')).toBe(said('theirs'))
  })

  test('what stands in the way of answers is told; then clients are answered', () => {
    expect(said('forwarding')).toMatch(/^0\n/u)
    expect(said('forwarding')).toContain('problem: tcp 10.50.0.1:80: net.ipv4.ip_forward is 0')
    expect(said('traffic')).toMatch(/^from 808[12]$/mu)
  })

  test('a server that fails is drained; what others change is put right, what is theirs is left alone', () => {
    expect(table('drained')).toEqual(www(1, 0))
    expect(table('healed')).toEqual([...www(1, 0), foreign])
  })

  test('a kill stops nothing; the next director takes the table up, without what was made by hand', () => {
    expect(table('killed')).toEqual([...www(1, 0), 'TCP 10.50.0.1:90 rr', foreign])
    expect(table('taken up')).toEqual([...www(1, 0), foreign])
  })

  test('traffic is kept, flushed, or ended with the director; what others made stays', () => {
    expect(table('kept')).toEqual([...www(1, 0), foreign])
    expect(said('kept')).toMatch(/^from 8081$/mu)
    expect(said('flushed')).toContain('was taken away')
    expect(table('flushed')).toEqual([foreign])
    expect(said('stopped')).toContain('nothing of it is left')
    expect(table('stopped')).toEqual([foreign])
  })
})
