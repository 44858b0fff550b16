/** What the guest does: keepalived with each file, what happens meanwhile, and what is seen. */
import type { Case } from './table-cases.ts'

/** Commands run at the same time: each line is written in one go. */
export const teller = (directory: string): string => `#!/bin/sh\necho "$*" >>${directory}/told\n`
/** A pipe that is open for both ends, so that its writer never waits. */
export const reader = (directory: string): string =>
  `mkfifo ${directory}/fifo; exec 3<>${directory}/fifo; while read -r line <&3; do echo "$line" >>${directory}/told; done`

/** IPVS takes no server to which there is no way. It looks until all has been the same for a while: nobody knows what comes. */
export const head = `
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up; ip link add d0 type dummy; ip link set d0 up
ip address add 10.0.0.1/16 dev d0; ip address add fd00::99/64 dev d0 nodad
now() { ipvsadm -Ln | tail -n +4; echo told; sort $dir/told; }
settled() {
  last=; same=0; looks=0
  while [ $same -lt $quiet ] && [ $looks -lt 200 ]; do
    next=$(now); looks=$((looks + 1))
    if [ "$next" = "$last" ]; then same=$((same + 1)); else same=0; last=$next; fi
    sleep 0.5
  done
  echo "=== $1"; now
}
`

export function script({ name, file, services, quietLooks, steps }: Case): string {
  const directory = `/tmp/${name}`
  const happen = ({ up = [], down = [] }: Case['steps'][number]): string =>
    [...up.map((one) => `echo 0 >${directory}/${one}`), ...down.map((one) => `echo 1 >${directory}/${one}`)].join('\n')
  return `
quiet=${quietLooks}; dir=${directory}; mkdir -p $dir; : >$dir/told
cat >$dir/keepalived.conf <<'END'
${file.replaceAll('DIR', directory)}
END
cat >$dir/told.sh <<'END'
${teller(directory)}END
chmod 755 $dir/told.sh
for file in a b c; do echo 0 >$dir/$file; done
(${reader(directory)}) & reader=$!
while [ ! -p $dir/fifo ]; do sleep 0.1; done
${happen(steps[0] ?? {})}
keepalived -C -n -l -f $dir/keepalived.conf -p $dir/pid -c $dir/checkers.pid >$dir/log 2>&1 & keepalived=$!
looks=0; until [ "$(ipvsadm -Ln | grep -cE '^(TCP|UDP|FWM)')" = ${services} ] || [ $looks -gt 300 ]; do looks=$((looks + 1)); sleep 0.2; done
settled "${name} 0"
${steps.slice(1).map((step, index) => `${happen(step)}\nsettled "${name} ${index + 1}"`).join('\n')}
kill $keepalived; wait $keepalived
settled "${name} end"
kill $reader
` // biome-ignore format: a script
}
