import { describe, expect, test } from 'vitest'
import { afterFailure, type Failure } from './retry.ts'

const failure = (over: Partial<Failure>): Failure => ({
  method: 'GET',
  isReused: false,
  isUnsent: false,
  isUnanswered: true,
  isBodyBegun: false,
  resent: 0,
  ...over,
})

describe('a request that failed', () => {
  test.each<{ name: string; failure: Failure; next: ReturnType<typeof afterFailure> }>([
    { name: 'goes to another server when it was not sent', failure: failure({ method: 'POST', isUnsent: true }), next: 'another-server' },
    { name: 'goes to another server, however often, while it is not sent', failure: failure({ isUnsent: true, resent: 5 }), next: 'another-server' },
    { name: 'goes anew to the server that closed a kept connection', failure: failure({ isReused: true }), next: 'same-server' },
    { name: 'goes to another server when a new connection broke', failure: failure({}), next: 'another-server' },
    { name: 'goes once more only', failure: failure({ resent: 1 }), next: 'give-up' },
    { name: 'is not repeated when it is not idempotent', failure: failure({ method: 'POST', isReused: true }), next: 'give-up' },
    { name: 'is not repeated with a method that nobody knows', failure: failure({ method: 'PATCH' }), next: 'give-up' },
    { name: 'is not repeated when its body has been taken', failure: failure({ method: 'PUT', isBodyBegun: true }), next: 'give-up' },
    { name: 'is not repeated when its answer has begun', failure: failure({ isUnanswered: false }), next: 'give-up' },
  ])('$name', ({ failure, next }) => {
    expect(afterFailure(failure)).toBe(next)
  }) // biome-ignore format: a table to read at a glance
})
