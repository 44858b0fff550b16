/**
 * Many connections that stay, each with a question now and then that is to come back. HOST PORT COUNT; `report` on standard
 * input asks on each of them, and is answered by a line of JSON.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** `gapMs`: the longest that the busiest connection waited for an answer since the last report. */
export type Report = { readonly answered: number; readonly lost: number; readonly gapMs: number }

const [host = '', port = '', count = ''] = process.argv.slice(2)
const eachMs = 1000
const probeMs = 10
/** TCP sends again after some seconds, when much was lost. */
const answerMs = 60_000

type Steady = { readonly socket: Socket; asked: number; answered: number; isLost: boolean }

let gapMs = 0
let heardAt = 0

function open(isProbe: boolean): Promise<Steady> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), noDelay: true })
    const steady: Steady = { socket, asked: 0, answered: 0, isLost: false }
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.removeListener('error', reject)
      socket.on('error', () => undefined)
      resolve(steady)
    })
    socket.on('data', (bytes: Buffer) => {
      steady.answered += bytes.length
      if (!isProbe) return
      const now = performance.now()
      gapMs = Math.max(gapMs, now - heardAt)
      heardAt = now
    })
    socket.once('close', () => {
      steady.isLost = true
    })
  })
}

function ask(steady: Steady): void {
  if (steady.isLost) return
  steady.asked += 1
  steady.socket.write('.')
}

const all: Steady[] = []
while (all.length < Number(count)) {
  const some = Math.min(50, Number(count) - all.length)
  all.push(...(await Promise.all(Array.from({ length: some }, (_, at) => open(all.length + at === 0)))))
}
for (const [at, steady] of all.entries())
  setTimeout(() => setInterval(() => ask(steady), at === 0 ? probeMs : eachMs), (at * eachMs) / all.length)
console.log(JSON.stringify({ answered: all.length, lost: 0, gapMs: 0 } satisfies Report))

for await (const _line of createInterface({ input: process.stdin })) {
  for (const steady of all) ask(steady)
  const wanted = all.map(({ asked }) => asked)
  const began = performance.now()
  const isAnswered = (steady: Steady, at: number): boolean => steady.answered >= (wanted[at] ?? 0)
  while (!all.every((steady, at) => steady.isLost || isAnswered(steady, at)) && performance.now() - began < answerMs)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const answered = all.filter((steady, at) => !steady.isLost && isAnswered(steady, at)).length
  console.log(JSON.stringify({ answered, lost: all.length - answered, gapMs: Math.round(gapMs) } satisfies Report))
  gapMs = 0
  heardAt = performance.now()
}
