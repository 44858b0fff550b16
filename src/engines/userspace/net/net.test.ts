import { planeContract } from '../planes.contract.ts'

planeContract('net', 1)
