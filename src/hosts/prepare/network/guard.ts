/**
 * The script that changes a host's network on the host itself, and changes it back: whoever has ordered it may be cut off by it.
 * The file `state` says how far it is: changing, waiting, kept, restoring, or undone with the reason. It waits for a file named `keep`, which only somebody who came over the new way can make; without it all is put back.
 */
import { quote } from '../../quote.ts'
import type { Commands, Guarded } from '../step.ts'

/** One command: dhclient tries for a minute, and NetworkManager for a minute and a half. */
export const commandSeconds = 120

/** Runs in `directory`, where new.0, new.1 … and old.0 … are the files' contents; one that was not there has no old. */
export function guardScript(
  directory: string,
  { files, leave, enter, back }: Guarded,
  patienceSeconds: number,
): string {
  const put = (which: 'new' | 'old'): string[] =>
    files.map(({ path, before }, index) =>
      which === 'old' && before === '' ? `rm -f ${quote(path)}` : `put ${which}.${index} ${quote(path)}`,
    )
  return [
    '# Written by baton host prepare.',
    'export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C',
    `cd ${quote(directory)} || exit 1`,
    'say() { printf "%s\\n" "$1" > state.new && mv state.new state; }',
    // A file that is there keeps its owner and mode.
    'put() { mkdir -p "${2%/*}" && cat "$1" > "$2"; }',
    `run() { printf '$ %s\\n' "$*" >> log; timeout ${commandSeconds} "$@" < /dev/null >> log 2>&1; }`,
    'back() {',
    '  say restoring',
    ...lines(back.leave),
    ...put('old').map((line) => `  ${line}`),
    '  sync',
    ...lines(back.enter),
    '  say "undone $1"',
    '  exit 0',
    '}',
    'say changing',
    ...lines(leave),
    ...put('new').map((line) => `${line} || back ${quote('a file cannot be written')}`),
    'sync',
    ...enter.map((command) => `run ${command.map(quote).join(' ')} || back ${quote(`${command.join(' ')} failed`)}`),
    'say waiting',
    'left=0',
    `while [ "$left" -lt ${patienceSeconds} ]; do`,
    '  if [ -e keep ]; then say kept; exit 0; fi',
    '  sleep 1',
    '  left=$((left + 1))',
    'done',
    `back ${quote(`nobody came over the new way within ${patienceSeconds} s`)}`,
    '',
  ].join('\n')
}

const lines = (commands: Commands): string[] => commands.map((command) => `  run ${command.map(quote).join(' ')}`)

/** Whether the bridge carries what the uplink did; $1 the bridge, $2 the uplink. */
export const carriesScript = `[ -e "/sys/class/net/$1/brif/$2" ] &&
[ -n "$(ip -o address show dev "$1" scope global)" ] && { ip -o route show default; ip -o -6 route show default; } | grep -q " dev $1 "`
