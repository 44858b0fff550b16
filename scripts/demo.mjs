// Sets up what is missing and brings up examples/hello.yaml. With --once: looks at three answers and takes it all away.
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMain, program } from './paths.mjs'
import { run } from './run.mjs'
import { runScript, setup } from './setup.mjs'

const file = 'examples/hello.yaml'
const url = 'http://127.0.0.1:8080/'
const wantedAnswers = 3
const answersMs = 30_000

async function demo(once) {
  // The terminal sends Ctrl-C to baton too, which stops cleanly: this process only has to outlive it.
  let isStopped = false
  process.on('SIGINT', () => {
    isStopped = true
  })
  await setup({ packages: 'demo' })
  if (isStopped) return 130
  const up = await baton('up', file)
  if (!once && !isStopped) return up
  const isSeen = up === 0 && !isStopped && (await seeAnswers(() => isStopped))
  const down = await baton('down', file)
  if (isStopped) return 130
  return isSeen && down === 0 ? 0 : 1
}

async function baton(...args) {
  console.log(`\n$ baton ${args.join(' ')}`)
  const { code } = await run([process.execPath, program, ...args], { show: true })
  return code
}

/** Asks until every guest has answered once. */
async function seeAnswers(isStopped) {
  console.log(`\n$ curl ${url}`)
  const seen = new Set()
  const deadline = Date.now() + answersMs
  while (seen.size < wantedAnswers && Date.now() < deadline && !isStopped()) {
    const answer = await ask().catch((error) => `no answer: ${error.message}`)
    if (!answer.startsWith('no answer')) {
      if (!seen.has(answer)) console.log(answer)
      seen.add(answer)
    }
    await sleep(50)
  }
  if (seen.size < wantedAnswers) console.error(`demo: only ${seen.size} different answers in ${answersMs / 1000} s`)
  return seen.size >= wantedAnswers
}

function ask() {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 5000 }, (response) => {
      const pieces = []
      response.on('data', (data) => pieces.push(data))
      response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8').trim()))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('timeout')))
    request.on('error', reject)
  })
}

if (isMain(import.meta.url)) await runScript(() => demo(process.argv.includes('--once')))
