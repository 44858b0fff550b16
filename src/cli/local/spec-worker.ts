/** The entry of the thread that reads a large file for a director. */
import { parentPort, workerData } from 'node:worker_threads'
import { readServed } from './served-services.ts'
import type { ChosenBy } from './spec-file.ts'

const { file, chosen } = workerData as { readonly file: string; readonly chosen: ChosenBy }
parentPort?.postMessage(await readServed(file, chosen), [])
