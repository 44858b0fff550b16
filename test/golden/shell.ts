/** As much of a shell as the transcripts need, in one process: quotes, pipes, printf, head, and the programs given. */

export type Run = (words: readonly string[], input: string) => Promise<{ out: string; err: string; code: number }>

export async function runInShell(
  command: string,
  programs: Readonly<Record<string, Run>>,
): Promise<Awaited<ReturnType<Run>>> {
  let [input, err, code] = ['', '', 0]
  for (const [name = '', ...words] of pipeline(command)) {
    const run = programs[name] ?? builtIns[name]
    if (run === undefined) throw new Error(`the test shell has no ${name}: ${command}`)
    const ended = await run(words, input)
    input = ended.out
    err += ended.err
    code = ended.code
  }
  return { out: input, err, code }
}

const builtIns: Readonly<Record<string, Run>> = {
  printf: async ([format = '', ...words]) => ({
    out: format === '' ? '' : words.map((word) => format.replace('%s', word).replaceAll('\\n', '\n')).join(''),
    err: '',
    code: 0,
  }),
  head: async ([count = ''], input) => ({
    out: `${input
      .split('\n')
      .slice(0, Number(count.slice(1)))
      .join('\n')}\n`,
    err: '',
    code: 0,
  }),
}

/** The words of each program of the pipe; `< /dev/null` is what input is without it. */
function pipeline(command: string): string[][] {
  const programs: string[][] = [[]]
  for (const [written] of command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (written === '|') programs.push([])
    else
      programs
        .at(-1)
        ?.push(
          written.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
        )
  }
  return programs.map((words) => {
    const at = words.indexOf('<')
    return at < 0 ? words : words.slice(0, at)
  })
}
