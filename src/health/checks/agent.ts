/**
 * Check `agent`: the server's agent says how it is, in the words of HAProxy's agent-check (configuration.txt 5.2): a
 * weight in percent, maxconn:N, ready, drain or maint, up, down, failed or stopped; `#` begins a reason for people.
 */
import type { AgentCheckSpec, Probe, ProbeReport } from '../check.ts'
import { converse } from './conversation.ts'
import { down, shown, type Verdict } from './verdict.ts'

const wishes = ['ready', 'drain', 'maint'] as const
const downWords = ['down', 'failed', 'fail', 'stopped']

export function agentProbe({ send }: AgentCheckSpec): Probe {
  return (target, { signal, from }) =>
    converse(target, { signal, from }, async (talk) => {
      if (send !== undefined) talk.send(send)
      return agentVerdict(await talk.line())
    })
}

/** What one line of an agent means. Words that are not known make it a wrong answer: it must be noticed. */
export function agentVerdict(line: string): Verdict {
  const [said = '', ...reason] = line.split('#')
  const words = said
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '')
  const report: { -readonly [K in keyof ProbeReport]: ProbeReport[K] } = {}
  let healthy = true
  for (const word of words) {
    const percent = /^(\d{1,5})%$/.exec(word)?.[1]
    const maximum = /^maxconn:(\d{1,9})$/.exec(word)?.[1]
    const wish = wishes.find((wish) => wish === word)
    if (percent !== undefined) report.weight = { percent: Number(percent) }
    else if (maximum !== undefined) report.maximumConnections = Number(maximum)
    else if (wish !== undefined) report.wish = wish
    else if (downWords.includes(word)) healthy = false
    else if (word !== 'up') return down(`the agent says ${shown(line)}, which is no word of agents`)
  }
  if (words.length === 0) return down('the agent says nothing')
  const why = reason.join('#').trim()
  return { healthy, detail: `the agent says ${shown(words.join(' '))}${why === '' ? '' : `: ${shown(why)}`}`, report }
}
