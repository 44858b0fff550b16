/** Builds one image and prints it as JSON: run by tests as another user, or to be killed. Argument: the spec as JSON. */
import { imageStore } from '../../src/guests/images/store.ts'
import { localHost } from '../../src/hosts/local/local.ts'

const spec = JSON.parse(process.argv[2] ?? '{"kind":"tiny"}')
const signal = AbortSignal.timeout(600_000)
imageStore(localHost())
  .build('lab', spec, { signal, onProgress: (text) => process.stderr.write(`${text}\n`) })
  .then((image) => process.stdout.write(JSON.stringify(image)))
  .catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  })
