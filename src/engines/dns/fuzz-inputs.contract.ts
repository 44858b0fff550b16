/** Messages for a responder to choke on: valid ones, mutated ones and random bytes, the same for the same seed. */
import { rcodes } from './codec.ts'
import { type Asked, buildQuery, readAnswer, subnetOption, words } from './dns-world.contract.ts'

/** mulberry32: the same inputs in every run. */
export function generator(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const names = [
  'www.shop',
  'WWW.shop',
  '_http._tcp.www.shop',
  '10-0-0-1.www.shop',
  'x.www.shop',
  'ns.www.shop',
  'other',
  '',
]
const valid: readonly Asked[] = names.flatMap((name) =>
  [1, 28, 33, 6, 255, 252].flatMap((type): Asked[] => [
    { name, type },
    { name, type, edns: { payload: 4096, flags: 0x8000 } },
    { name, type, edns: { options: subnetOption(1, 24, [10, 0, 7]) } },
    {
      name,
      type,
      edns: { options: Buffer.concat([words(10, 8, 1, 2, 3, 4), subnetOption(2, 56, [32, 1, 13, 184, 0, 0, 1])]) },
    },
  ]),
)

function mutated(query: Buffer, below: (limit: number) => number): Buffer {
  let bytes = Buffer.from(query)
  for (let times = below(4); times >= 0; times--) {
    const at = below(bytes.length + 1)
    switch (below(6)) {
      case 0:
        bytes = bytes.subarray(0, at)
        break
      case 1:
        bytes = Buffer.concat([bytes, bytes.subarray(0, below(bytes.length + 1))])
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([below(256)]), bytes.subarray(at)])
        break
      case 3:
        // A pointer, somewhere to somewhere.
        if (at + 1 < bytes.length) bytes.writeUInt16BE(0xc000 | below(bytes.length), at)
        break
      default:
        if (at < bytes.length) bytes[at] = below(256)
    }
  }
  return bytes
}

export function input(below: (limit: number) => number): Buffer {
  const kind = below(10)
  const length = kind === 0 ? below(600) : 0
  if (length > 0) return Buffer.from(Array.from({ length }, () => below(256)))
  const query = buildQuery(valid[below(valid.length)] ?? { name: '' })
  return kind === 1 ? query : mutated(query, below)
}

/** What must hold for every answer, whatever the question was. */
export function check(message: Buffer, answer: Buffer | undefined, most: number): void {
  const isQuery = message.length >= 12 && ((message[2] ?? 0) & 0x80) === 0
  if ((answer !== undefined) !== isQuery) throw new Error('answered what is no query, or not what is one')
  if (answer === undefined) return
  if (answer.length > most) throw new Error(`${answer.length} bytes`)
  const seen = readAnswer(answer)
  if (seen.id !== message.readUInt16BE(0)) throw new Error('another id')
  if (!(seen.rcode in rcodes)) throw new Error(`rcode ${seen.rcode}`)
  if (!message.subarray(12).subarray(0, seen.question.length).equals(seen.question)) throw new Error('another question')
}
