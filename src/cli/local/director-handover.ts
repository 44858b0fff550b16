/** `baton director handover`: leave the addresses of virtual routers to another director, or take them back. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { show } from '../output.ts'
import { count } from '../views/units.ts'
import { openMachine } from './machine.ts'

type HandOverJson = { readonly operation: 'handover'; readonly back: boolean; readonly routers: number }

export function registerHandOver(director: Command): void {
  director
    .command('handover')
    .description('leave the addresses of virtual routers to another director, until they are taken back')
    .argument('[router]', "a virtual router's name, or its group's; all when left out")
    .option('--back', 'take part as usual again')
    .option('--json', 'print JSON')
    .action((router: string | undefined, options: { readonly back?: true; readonly json?: true }) =>
      runAction(async ({ signal, output }) => {
        const back = options.back === true
        await using machine = await openMachine({ signal: within(signal, askMs) })
        const order = router === undefined ? { back } : { router, back }
        const routers = await machine.director.handOver(order, { signal: within(signal, askMs) })
        const result: HandOverJson = { operation: 'handover', back, routers }
        show(output, options.json === true, result, handOverView)
        return undefined
      }),
    )
}

export function handOverView({ back, routers }: HandOverJson): string[] {
  if (back) return ['it takes part as usual again: what has the higher priority becomes master']
  if (routers === 0) return ['it was no master; it will not become one while another lives, until --back']
  return [`${count(routers, 'router')} handed over, until --back; another director takes over within its skew time`]
}
