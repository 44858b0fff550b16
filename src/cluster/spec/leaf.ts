/** The single values of the file: each reads one written value, and says what it expected when it cannot. */
import * as z from 'zod'
import { parseDestination } from '../../hosts/ssh/destination.ts'
import { parseAddress, parseCidr, parseEndpoint } from '../../lvs/address.ts'
import type { Endpoint } from '../../lvs/service.ts'
import { durationPattern, formatDuration, parseDuration } from './duration.ts'
import { formatSize, parseSize, sizePattern } from './size.ts'
import { didYouMean } from './suggest.ts'

/** What is wrong with a value. `isWhole`: the message needs no key in front of it. */
export type Refusal = {
  readonly refused: string
  readonly hint?: string
  readonly isWhole?: boolean
  /** The entry of a list that is wrong. */
  readonly entry?: number
}

/** The part of an issue that is ours: what `explain` shows. */
export type LeafIssue = { readonly expected: string; readonly hint?: string; readonly isWhole?: boolean }

type JsonSchema = Readonly<Record<string, unknown>>
type Leaf<T> = z.ZodPipe<z.ZodUnknown, z.ZodTransform<T>>

function refuse(refused: string, hint?: string): Refusal {
  return hint === undefined ? { refused } : { refused, hint }
}

function isRefusal(read: unknown): read is Refusal {
  return typeof read === 'object' && read !== null && 'refused' in read
}

/** `read` returns undefined for what is not the expected kind of value at all. */
export function leaf<T extends string | number | boolean | object>(
  expected: string,
  json: JsonSchema,
  read: (value: unknown) => T | Refusal | undefined,
): Leaf<T> {
  const schema = z.unknown().transform((value, context): T => {
    const result = read(value)
    if (result !== undefined && !isRefusal(result)) return result
    const message = result === undefined ? `expected ${expected}, found ${show(value)}` : result.refused
    const hint = result === undefined ? undefined : result.hint
    const params: LeafIssue = { expected, ...(hint && { hint }), ...(result?.isWhole && { isWhole: true }) }
    context.addIssue({ code: 'custom', message, params, path: result?.entry === undefined ? [] : [result.entry] })
    return z.NEVER
  })
  return schema.meta({ ...json })
}

/** A written value in a message: short, and clear about what kind it is. */
export function show(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a map'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text
  return typeof value === 'string' && !/^[\x21-\x7e…]+$/.test(short) ? JSON.stringify(short) : short
}

/** Text that a pattern describes. */
export function text(expected: string, pattern: RegExp, hint?: (value: string) => string | undefined): Leaf<string> {
  return leaf(expected, { type: 'string', pattern: pattern.source }, (value) => {
    if (typeof value === 'number' || typeof value === 'boolean')
      return refuse(`expected ${expected}, found ${show(value)}`, 'put it in quotes if it is meant as text')
    if (typeof value !== 'string') return undefined
    if (pattern.test(value)) return value
    return refuse(`expected ${expected}, found ${show(value)}`, hint?.(value))
  })
}

/** As a DNS label, with at least one letter: `1` and `2` would lose their order. */
export const namePattern = /^(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
export const nameRule = 'letters, digits and hyphens, at most 63, with a letter or digit at both ends and one letter'

export function name(what: string): Leaf<string> {
  return text(`${what} (${nameRule})`, namePattern)
}

/** The name of something that is defined elsewhere: whether it is, is checked where both are known. */
export function reference(expected: string): Leaf<string> {
  return text(expected, /^[\s\S]+$/)
}

export function path(expected: string): Leaf<string> {
  return text(expected, /^[^\0]+$/)
}

const mebibyte = 1024 ** 2

/** Bytes, whole MiB. */
export function size(expected: string): Leaf<number> {
  return leaf(expected, { type: 'string', pattern: sizePattern }, (value) => {
    if (typeof value === 'number') {
      const hint = value > 0 ? `write ${value}M for MiB or ${value}G for GiB` : undefined
      return refuse(`expected ${expected}, found ${value} without a unit`, hint)
    }
    if (typeof value !== 'string') return undefined
    const bytes = parseSize(value)
    if (bytes === undefined) return refuse(`expected ${expected}, found ${show(value)}`, 'the units are K, M, G and T')
    if (bytes < mebibyte) return refuse(`${value} is too small: expected at least 1M`)
    if (bytes % mebibyte === 0) return bytes
    return refuse(
      `${value} is not a whole number of MiB`,
      `write ${formatSize(Math.ceil(bytes / mebibyte) * mebibyte)}`,
    )
  })
}

type DurationLimits = { readonly minimumMs: number; readonly maximumMs: number; readonly isWholeSeconds?: boolean }

/** Milliseconds. */
export function duration(expected: string, limits: DurationLimits): Leaf<number> {
  const { minimumMs, maximumMs, isWholeSeconds = false } = limits
  return leaf(expected, { type: 'string', pattern: durationPattern }, (value) => {
    if (typeof value === 'number')
      return refuse(`expected ${expected}, found ${value} without a unit`, `write ${value}s for seconds`)
    if (typeof value !== 'string') return undefined
    const ms = parseDuration(value)
    if (ms === undefined) return refuse(`expected ${expected}, found ${show(value)}`, 'the units are ms, s, m and h')
    if (ms < minimumMs) return refuse(`${value} is too short: expected at least ${formatDuration(minimumMs)}`)
    if (ms > maximumMs) return refuse(`${value} is too long: expected at most ${formatDuration(maximumMs)}`)
    return isWholeSeconds && ms % 1000 !== 0 ? refuse(`${value} is not a whole number of seconds`) : ms
  })
}

export function integer(minimum: number, maximum: number): Leaf<number> {
  const expected = `a whole number from ${minimum} to ${maximum}`
  return leaf(expected, { type: 'integer', minimum, maximum }, (value) => {
    if (typeof value === 'string' && /^[0-9]+$/.test(value))
      return refuse(`expected ${expected}, found the text "${show(value)}"`, 'remove the quotes')
    if (typeof value !== 'number') return undefined
    return Number.isInteger(value) && value >= minimum && value <= maximum ? value : undefined
  })
}

export const port = (): Leaf<number> => integer(1, 65_535)

/** Kept as it is written: `hosts/ssh` reads it again. */
export function destination(): Leaf<string> {
  return leaf('where to connect by SSH, such as root@hv1 or admin@10.0.0.2:2222', { type: 'string' }, (value) =>
    typeof value === 'string' && parseDestination(value) !== undefined ? value : undefined,
  )
}

export function flag(): Leaf<boolean> {
  return leaf('true or false', { type: 'boolean' }, (value) => {
    if (typeof value === 'boolean') return value
    const meant =
      typeof value === 'string' ? { yes: true, on: true, no: false, off: false }[value.toLowerCase()] : undefined
    return meant === undefined ? undefined : refuse(`expected true or false, found ${show(value)}`, `write ${meant}`)
  })
}

/** One of a few words. */
export function choice<const T extends string>(what: string, words: readonly T[]): Leaf<T> {
  const expected = words.length === 1 ? `${words[0]}` : `one of ${words.join(' ')}`
  return leaf<T>(expected, { enum: [...words] }, (value) => {
    const word = words.find((word) => word === value)
    if (word !== undefined) return word
    if (typeof value !== 'string' || value === '') return undefined
    const hint = `expected ${expected}`
    return { refused: `unknown ${what} ${show(value)}${didYouMean(value, words)}`, hint, isWhole: true }
  })
}

const quoteIpv6 = 'write an IPv6 address with its port in brackets and quotes: "[fd00::1]:80"'

/**
 * An address and a port that is not 0. `any-port`: 0 is all ports. `bare`: without a port it is port 0; whether that
 * makes sense is checked where the service is known.
 */
export function endpoint(expected: string, form?: 'any-port' | 'bare'): Leaf<Endpoint> {
  const pattern = `^(\\[[0-9A-Fa-f:.]+\\]|[0-9.]+):[0-9]+$${form === 'bare' ? '|^[0-9A-Fa-f:.]+$' : ''}`
  return leaf(expected, { type: 'string', pattern }, (value) => {
    if (Array.isArray(value)) return refuse(`expected ${expected}, found a list`, quoteIpv6)
    if (typeof value !== 'string') return undefined
    const endpoint = parseEndpoint(value)
    if (endpoint?.port === 0 && form !== 'any-port') return refuse(`port 0 is no port: expected ${expected}`)
    const bare = form === 'bare' ? parseAddress(value) : undefined
    if (bare !== undefined) return { address: bare, port: 0 }
    return endpoint ?? refuse(`expected ${expected}, found ${show(value)}`, endpointHint(value))
  })
}

export function endpointHint(value: string): string | undefined {
  const address = parseAddress(value)
  if (address !== undefined) return `add the port: ${address.includes(':') ? `"[${address}]:80"` : `${address}:80`}`
  if (parseAddress(value.replace(/:[0-9]*$/, ''))?.includes(':')) return quoteIpv6
  const [, host = '', port = ''] = /^(.*):([0-9]+)$/.exec(value) ?? []
  if (Number(port) > 65_535) return 'a port is at most 65535'
  if (/(^|\.)0[0-9]/.test(host)) return 'leading zeros are not allowed: some programs read them as octal'
  return /[a-zA-Z]/.test(host) && !host.includes(':') ? 'names are not looked up: write the IP address' : undefined
}

export function address(expected: string): Leaf<string> {
  return leaf(expected, { type: 'string' }, (value) => (typeof value === 'string' ? parseAddress(value) : undefined))
}

/** An address with its network's prefix length, as canonical text. */
export function cidr(expected: string): Leaf<string> {
  return leaf(expected, { type: 'string', pattern: '^[0-9A-Fa-f:.]+/[0-9]+$' }, (value) => {
    if (typeof value !== 'string') return undefined
    const cidr = parseCidr(value)
    if (cidr !== undefined) return `${cidr.address}/${cidr.prefix}`
    const hint = parseAddress(value) === undefined ? undefined : `add the network's prefix length: ${value}/24`
    return refuse(`expected ${expected}, found ${show(value)}`, hint)
  })
}
