/** Where `genhash` begins: the digest of a page, for a keepalived.conf. */
import { createHash } from 'node:crypto'
import { hashHelp, readHashWords } from './arguments.ts'
import { fetchPage, type Page } from './page.ts'

/** Runs to its end; the process ends with its exit code: 0, 1 for a wrong command line. A page that cannot be had is no failure there. */
export async function runGenhashFront(words: readonly string[]): Promise<void> {
  const call = readHashWords(words)
  if (call === 'help') {
    process.stdout.write(hashHelp)
    return
  }
  if ('wrong' in call) {
    process.stderr.write(`${call.wrong}\n${hashHelp}`)
    process.exitCode = 1
    return
  }
  const begun = performance.now()
  try {
    const page = await fetchPage(call)
    const digest = createHash('md5').update(page.page).digest()
    process.stdout.write(call.isVerbose ? everything(page, digest) : `${digest.toString('hex')}\n`)
  } catch (error) {
    process.stdout.write('Connection failed\n')
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  }
  if (call.isVerbose) {
    const microseconds = Math.round((performance.now() - begun) * 1000)
    process.stdout.write(`\nGlobal response time for [${call.path}] = ${microseconds} usecs\n`)
  }
}

function everything({ head, page }: Page, digest: Buffer): string {
  return [
    title('   HTTP Header Buffer   '),
    ...dump(head),
    title('HTTP Header Ascii Buffer'),
    head.toString('latin1'),
    title('       HTML Buffer       '),
    ...dump(page),
    '',
    title('   HTML hash resulting   '),
    ...dump(digest),
    title('HTML hash final resulting'),
    `${digest.toString('hex')}\n`,
  ].join('\n')
}

function title(text: string): string {
  return `${'-'.repeat(23)}[ ${text} ]${'-'.repeat(23)}`
}

const lineBytes = 16

/** Sixteen bytes to a line: where they stand, in hexadecimal, and as letters. */
export function dump(bytes: Uint8Array): string[] {
  return Array.from({ length: Math.ceil(bytes.length / lineBytes) }, (_, at) => {
    const line = bytes.subarray(at * lineBytes, (at + 1) * lineBytes)
    const half = (part: Uint8Array): string =>
      [...part]
        .map((byte) => `${byte.toString(16).padStart(2, '0')} `)
        .join('')
        .padEnd(24)
    const letters = [...line].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    const place = String(at * lineBytes).padStart(4, '0')
    return `${place}  ${half(line.subarray(0, 8))}- ${half(line.subarray(8))}  ${letters.padEnd(lineBytes)}`
  })
}
