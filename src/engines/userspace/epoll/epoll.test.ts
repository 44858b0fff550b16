import { planeContract } from '../planes.contract.ts'

planeContract('epoll', 2)
