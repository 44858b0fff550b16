/** The entry of the thread that reads a large file for a director. */
import { parentPort, workerData } from 'node:worker_threads'
import { readServed, type WantedEngine } from './served-services.ts'

const { file, engine } = workerData as { readonly file: string; readonly engine: WantedEngine }
parentPort?.postMessage(await readServed(file, engine), [])
