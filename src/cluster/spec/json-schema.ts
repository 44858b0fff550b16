/** The file's JSON Schema, for editors: every key with its description, and the defaults. */
import * as z from 'zod'
import { fileSchema } from './schema.ts'

export function jsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(fileSchema, { io: 'input', target: 'draft-2020-12' })
  return { ...schema, title: 'baton.yaml', description: 'What should be: hosts, guests and the services before them.' }
}
