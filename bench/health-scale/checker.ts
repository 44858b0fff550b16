/** `checker.ts COUNT EVERY TIMEOUT`: checks so many servers, and says each change as `SERVER up|down WALL-TIME`. */
import { openChecker } from '../../src/health/checker.ts'
import { machineTiming } from '../../src/health/timing.ts'
import { serversOf } from './servers.ts'

const [count = 0, everyMs = 0, timeoutMs = 0] = process.argv.slice(2).map(Number)
const check = { probe: { kind: 'tcp' }, everyMs, timeoutMs, rise: 1, fall: 1 } as const

const checker = openChecker({
  timing: machineTiming,
  onChange: ({ key, to }) =>
    console.log(`${key.slice(0, key.indexOf(':'))} ${to === 'healthy' ? 'up' : 'down'} ${Date.now()}`),
  onTrouble: (trouble) => console.error(`checker: ${trouble ?? 'all is well again'}`),
})
checker.watch(serversOf(count).map((endpoint) => ({ check, endpoint })))
process.on('SIGTERM', () => void checker[Symbol.asyncDispose]().then(() => process.exit()))
