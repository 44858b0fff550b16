/** `baton schema`: the JSON Schema of the file, for editors that complete it. */
import type { Command } from 'commander'
import { jsonSchema } from '../../cluster/spec/json-schema.ts'
import { runAction } from '../action.ts'

export function register(program: Command): void {
  program
    .command('schema')
    .description("the file's JSON Schema: editors that know it complete and explain every key")
    .option('--json', 'as every command has it: the schema is JSON anyway')
    .action(() =>
      runAction(async ({ output }) => {
        output.json(jsonSchema(), 'document')
        return undefined
      }),
    )
}
