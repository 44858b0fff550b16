// What CI runs: set-up, build, every check, every test. The last line is `N passed, N failed, N skipped`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { buildAll, isBuilt } from './build.mjs'
import { check } from './check.mjs'
import { isMain, root } from './paths.mjs'
import { run } from './run.mjs'
import { runScript, setup } from './setup.mjs'

const isCi = ['1', 'true'].includes(process.env['CI'] ?? '')

async function test() {
  await setup({ packages: 'test' })
  await buildAll()
  const total = { passed: 0, failed: 0, skipped: 0 }
  const add = (result) => {
    for (const key of Object.keys(total)) total[key] += result[key] ?? 0
  }
  add(await check())
  add(await vitest('unit'))
  const obstacle = await labObstacle()
  if (obstacle === undefined) add(await labs())
  else {
    const { length } = await labFiles()
    console.log(`lab: skipped ${length} files of tests: ${obstacle}`)
    add({ skipped: length })
  }
  const isRefused = isCi && total.skipped > 0
  if (isRefused) console.log('CI=true: a skipped test counts as a failure')
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed > 0 || isRefused ? 1 : 0
}

/** A lab shares this machine's clock and processors with whatever else runs on it, so few files that failed get a second run. */
const mostRunAgain = 4

/** Emulated guests keep about one processor busy; most of the time of the other labs is spent waiting. */
const guestLabs = [
  ...['labs/cluster/', 'labs/guests/', 'labs/hosts/', 'labs/images/', 'labs/ipvs/', 'labs/libvirt/', 'src/guests/'],
  'labs/ebpf/kernel.lab.test.ts',
]

/**
 * The labs of emulated guests one after the other, and beside them all others. What fails twice has failed; what passes the second
 * time, by itself, is named, so that somebody mends it.
 */
async function labs() {
  const files = await labFiles()
  const needsGuest = (file) => guestLabs.some((place) => file.startsWith(place))
  const lanes = [files.filter(needsGuest), files.filter((file) => !needsGuest(file))]
  const first = sumOf(await Promise.all(lanes.map((lane) => vitest('lab', lane))))
  const { failedFiles } = first
  if (failedFiles.length === 0 || failedFiles.length > mostRunAgain) return first
  for (const { file, tests } of failedFiles) console.log(`run again, since it failed: ${file}: ${tests.join('; ')}`)
  const second = await vitest(
    'lab',
    failedFiles.map(({ file }) => file),
  )
  const steady = (file) => second.failedFiles?.every((other) => other.file !== file)
  for (const { file } of failedFiles.filter(({ file }) => steady(file)))
    console.log(`UNSTEADY: ${file} passed only when it ran again`)
  const before = failedFiles.map(({ counts }) => counts)
  const left = (key) => first[key] - before.reduce((sum, counts) => sum + counts[key], 0)
  return {
    passed: left('passed') + (second.passed ?? 0),
    // Of the first run only what broke outside of every file: that is not run again.
    failed: left('failed') + second.failed,
    skipped: left('skipped') + (second.skipped ?? 0),
  }
}

function sumOf(results) {
  const sum = (key) => results.reduce((total, result) => total + (result[key] ?? 0), 0)
  const failedFiles = results.flatMap((result) => result.failedFiles ?? [])
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped'), failedFiles }
}

/** Runs one of vitest's projects, or some of its files: seen while it runs, counted from its report. */
async function vitest(project, files = []) {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'))
  const report = join(folder, 'report.json')
  try {
    const command = [join(root, 'node_modules/.bin/vitest'), 'run', '--project', project, ...files]
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const environment = { [isBuilt]: '1' }
    const { code } = await run([...command, ...reporters], { show: true, environment })
    return count(readReport(report), code)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A file that could not be run has no tests to count, and a run that broke has no report: each is one failure. */
function count(report, code) {
  if (report === undefined) return { failed: 1 }
  const files = report.testResults.map(({ name, status, assertionResults }) => {
    const having = (...states) => assertionResults.filter((result) => states.includes(result.status))
    const failed = having('failed')
    return {
      file: relative(root, name),
      tests: failed.map(({ fullName }) => fullName),
      counts: {
        passed: having('passed').length,
        failed: status === 'failed' ? Math.max(failed.length, 1) : 0,
        skipped: having('pending', 'skipped', 'todo', 'disabled').length,
      },
    }
  })
  const sum = (key) => files.reduce((total, { counts }) => total + counts[key], 0)
  const failedFiles = files.filter(({ counts }) => counts.failed > 0)
  // A run may also break outside of every file.
  const failed = failedFiles.length === 0 && code !== 0 ? 1 : sum('failed')
  return { passed: sum('passed'), failed, skipped: sum('skipped'), failedFiles }
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Why the lab cannot be run here; undefined when it can. */
async function labObstacle() {
  if (process.getuid?.() !== 0) return 'they make network namespaces and bridges: run npm test as root'
  const { code, output } = await run(['unshare', '--net', 'ip', 'link', 'set', 'lo', 'up'])
  return code === 0 ? undefined : `network namespaces cannot be made here: ${output.trim()}`
}

async function labFiles() {
  const folders = ['src', 'labs'].map(async (folder) => {
    const names = await readdir(join(root, folder), { recursive: true })
    return names.map((name) => `${folder}/${name}`)
  })
  return (await Promise.all(folders)).flat().filter((name) => name.endsWith('.lab.test.ts'))
}

if (isMain(import.meta.url)) await runScript(test)
