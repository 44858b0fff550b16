/** Where Baton answers otherwise than the transcripts, on purpose: a bug of the real program is not worth having. */
import type { Answer, Exchange, TranscriptName } from './transcript.ts'

export type Exception = {
  readonly transcripts: readonly TranscriptName[]
  /** Whole commands. */
  readonly commands: readonly string[]
  readonly why: string
  readonly instead: (answer: Answer) => Answer
}

const lines =
  (change: (line: string) => string) =>
  (answer: Answer): Answer => ({ ...answer, out: answer.out.map(change) })

export const exceptions: readonly Exception[] = [
  {
    transcripts: ['syntax'],
    commands: ['ipvsadm -A -t 10.0.0.1:104 -s rr -b ,'],
    why: 'the real program dies of SIGSEGV',
    instead: () => ({ out: [], err: ["invalid scheduler flag `,'"], code: 2 }),
  },
  {
    transcripts: ['servers', 'forms'],
    commands: ['ipvsadm -Sn', 'ipvsadm -S', 'ipvsadm --save -n'],
    why: 'the real program loses thresholds',
    instead: lines((line) =>
      line
        .replace(/(-r 10\.9\.0\.14:\w+ -g -w 1)$/, '$1 -x 2147483647 -y 2147483647')
        .replace(/(-r 10\.9\.0\.4:80 -m -w 1)$/, '$1 -x 3 -y 2'),
    ),
  },
  {
    transcripts: ['order'],
    commands: ['ipvsadm -Sn'],
    why: 'the real program saves great firewall marks as negative numbers, which it cannot read',
    instead: lines((line) => line.replace(/-f -(\d+)/, (_, digits: string) => `-f ${2 ** 32 - Number(digits)}`)),
  },
  {
    transcripts: ['long-names'],
    commands: ['ipvsadm -S'],
    why: 'the real program saves long names cut, and cannot read them',
    instead: lines((line) =>
      line
        .replaceAll('a-very-long-host-name-of-a-real-server.with-a-long-domain.e', '10.0.0.79:80')
        .replaceAll('a-very-long-host-name-of-a-real-server.with-a-long-domain-2', '10.9.0.79:80')
        .replaceAll('[a-very-long-host-name-of-an-ipv6-server.with-a-long-domain', '[fd00::79]:80'),
    ),
  },
]

/** What Baton is to answer. */
export function expectedAnswer(name: TranscriptName, { command, answer }: Exchange): Answer {
  return exceptions
    .filter(({ transcripts, commands }) => transcripts.includes(name) && commands.includes(command))
    .reduce((changed, { instead }) => instead(changed), answer)
}
