import { describe, expect, test } from 'vitest'
import { readHashWords } from './arguments.ts'
import { dump } from './main.ts'

const read = (text: string) => readHashWords(text.split(' '))

describe('genhash', () => {
  test('reads its options, long and short', () => {
    const call = { address: '10.0.0.1', port: 443, path: '/x', isSecure: true, namesServer: true, host: 'a.example' }
    const rest = { protocol: '1.1', mark: 7, timeoutMs: 2500, isVerbose: true }
    expect(read('-S -I -s 10.0.0.1 -p 443 -u /x -V a.example -P 1.1 -m 7 -t 2.5 -v')).toEqual({ ...call, ...rest })
    const long = '--use-ssl --use-sni --server=10.0.0.1 --port=443 --url=/x --use-virtualhost=a.example --protocol=1.1'
    expect(read(`${long} --fwmark=7 --timeout=2.5 --verbose`)).toEqual({ ...call, ...rest })
  })

  test.each([
    ['-s host -p 80 -u /', 'server should be an IP, not host'],
    ['-s ::1 -p x -u /', "invalid port number 'x'"],
    ['-s ::1 -p 80 -u / -P 2', "invalid HTTP protocol version '2'"],
    ['-s ::1 -p 80 -u / -t 0', "invalid timeout '0'"],
    ['-s ::1 -p 80 -u / -m x', "invalid fwmark 'x'"],
    ['-s ::1', 'expected the server’s address (-s), its port (-p) and a path (-u)'],
  ])('%s: %s', (text, wrong) => {
    expect(read(text)).toEqual({ wrong })
  })

  test('shows bytes sixteen to a line', () => {
    expect(dump(Buffer.from('hello\n'))).toEqual([`0000  68 65 6c 6c 6f 0a       -${' '.repeat(27)}hello.          `])
    expect(dump(Buffer.alloc(17, 'A'))[1]).toMatch(/^0016 {2}41 {22}-/)
  })
})
