/** What several kinds of checks say in the same way. */
import * as z from 'zod'
import { flag, leaf, type Refusal, show, text } from './leaf.ts'
import { map } from './map.ts'

const statusCode = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599 ? value : undefined

type StatusCodes = number | [number, number]

/** 200 or "200-299". */
function readCodes(value: unknown): StatusCodes | undefined {
  if (typeof value !== 'string') return statusCode(value)
  const [, from, to] = /^([0-9]{3})(?:-([0-9]{3}))?$/.exec(value) ?? []
  const low = statusCode(Number(from))
  if (to === undefined || low === undefined) return low
  const high = statusCode(Number(to))
  return high === undefined || high < low ? undefined : [low, high]
}

const statusExpected = 'status codes such as 200, "200-299" or [200, 301]'

function readStatus(value: unknown): StatusCodes[] | Refusal | undefined {
  if (!Array.isArray(value)) {
    const codes = readCodes(value)
    return codes === undefined ? undefined : [codes]
  }
  const accepted = value.map(readCodes)
  const entry = accepted.indexOf(undefined)
  if (entry >= 0) return { refused: `expected ${statusExpected}, found ${show(value[entry])}`, entry }
  return accepted.length === 0 ? undefined : accepted.filter((codes) => codes !== undefined)
}

function isRegularExpression(value: string): boolean {
  try {
    return new RegExp(value).source !== ''
  } catch {
    return false
  }
}

export const pattern = () =>
  leaf('a regular expression', { type: 'string', format: 'regex' }, (value) =>
    typeof value === 'string' && isRegularExpression(value) ? value : undefined,
  )

export const anyText = (what: string) => text(what, /^[^\0]*$/)
const hostName = () => text('a host name', /^[A-Za-z0-9.-]{1,253}$/)
export const verify = () => flag().prefault(false).describe("Whether the server's certificate must be valid.")

export const sni = (otherwise: string) => hostName().optional().describe(`The host name asked for; ${otherwise}.`)

/** `true`, or how. */
export const tls = (otherwise: string) => z.union([flag(), map({ verify: verify(), sni: sni(otherwise) })])

export const status = (what: string) => leaf(statusExpected, statusJson(), readStatus).prefault(200).describe(what)

function statusJson(): Record<string, unknown> {
  const one = {
    anyOf: [
      { type: 'integer', minimum: 100, maximum: 599 },
      { type: 'string', pattern: '^[0-9]{3}(-[0-9]{3})?$' },
    ],
  }
  return { anyOf: [...one.anyOf, { type: 'array', items: one, minItems: 1 }] }
}
