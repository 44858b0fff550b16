/** The program: the commands it has, of which only the wanted one is loaded. */
import { Command, CommanderError } from 'commander'
import { version } from '../version.ts'
import { commandGroups } from './command-table.ts'
import { exitCodeHelp, exitCodes } from './exit-codes.ts'

/** Runs one command line to its end; what it says with its exit code stands in `process.exitCode` then. */
export async function runProgram(args: readonly string[]): Promise<void> {
  const program = emptyProgram()
  await addCommands(program, args)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
}

export function emptyProgram(): Command {
  return new Command('baton')
    .description('Bare Linux hosts to a service that stays up: guests behind a Linux Virtual Server director.')
    .version(version, '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'baton: ')) })
    .addHelpText('after', `\n${exitCodeHelp()}\n\n\`baton help COMMAND\` says more about one command.`)
}

/** Only the command that is named is loaded; the others stand as names, for the help and for suggestions. */
async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  const operands = args.filter((argument) => !argument.startsWith('-'))
  const wanted = operands[0] === 'help' ? operands[1] : operands[0]
  for (const { title, commands } of commandGroups) {
    program.commandsGroup(title)
    for (const { name, summary, load } of commands) {
      if (name === wanted) (await load()).register(program)
      else program.command(name).description(summary)
    }
  }
}
