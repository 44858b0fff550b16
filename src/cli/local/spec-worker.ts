/** The entry of the thread that reads a large file for a director. */
import { parentPort, workerData } from 'node:worker_threads'
import { readServed } from './served-services.ts'

parentPort?.postMessage(readServed((workerData as { readonly file: string }).file), [])
