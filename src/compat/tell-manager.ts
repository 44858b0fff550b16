/** Tells systemd that a drop-in daemon serves. */
import { notifyManager } from '../api/notify.ts'
import { localHost } from '../hosts/local/local.ts'

/** `socket`: NOTIFY_SOCKET as it was; nothing that we start is to speak for us, so it was taken out of the environment. */
export async function tellManager(socket: string | undefined, err: (text: string) => void): Promise<void> {
  if (socket === undefined) return
  const environment = { NOTIFY_SOCKET: socket }
  const host = localHost()
  const run: typeof host.run = (command, options) => host.run(command, { ...options, environment })
  const failure = await notifyManager({ ...host, run }, environment, 'READY=1')
  if (failure !== undefined) err(`systemd could not be told that we serve: ${failure}\n`)
}
