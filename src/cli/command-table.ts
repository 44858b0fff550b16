/** Every command of `baton`, each with the file that holds it, loaded only when it is asked for. */
import type { Command } from 'commander'

type CommandModule = { readonly register: (program: Command) => void }

export type CommandEntry = {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}

type CommandGroup = { readonly title: string; readonly commands: readonly CommandEntry[] }

export const commandGroups: readonly CommandGroup[] = [
  {
    title: 'A whole cluster, from its FILE (./baton.yaml when left out):',
    commands: [
      { name: 'up', summary: 'make it so', load: () => import('./commands/up.ts') },
      { name: 'plan', summary: 'what would change', load: () => import('./commands/plan.ts') },
      { name: 'down', summary: 'take it away', load: () => import('./commands/down.ts') },
      {
        name: 'roll',
        summary: 'renew the guests of a pool, one after the other',
        load: () => import('./commands/roll.ts'),
      },
      {
        name: 'check',
        summary: 'whether the file is right, and this machine can carry it',
        load: () => import('./commands/check.ts'),
      },
      {
        name: 'import',
        summary: 'print an ldirectord.cf or a keepalived.conf as a baton.yaml',
        load: () => import('./commands/import.ts'),
      },
      {
        name: 'export',
        summary: 'print a baton.yaml as a keepalived.conf',
        load: () => import('./commands/export.ts'),
      },
      { name: 'schema', summary: "the file's JSON Schema, for editors", load: () => import('./commands/schema.ts') },
    ],
  },
  {
    title: 'What runs on this machine:',
    commands: [
      {
        name: 'status',
        summary: 'guests, services, servers and their health',
        load: () => import('./commands/status.ts'),
      },
      { name: 'top', summary: 'guests and connections, live', load: () => import('./commands/top.ts') },
      {
        name: 'connections',
        summary: 'the connections that stand now',
        load: () => import('./commands/connections.ts'),
      },
      {
        name: 'events',
        summary: 'what happened in the director, and what happens',
        load: () => import('./commands/events.ts'),
      },
      { name: 'list', summary: 'the guests', load: () => import('./commands/list.ts') },
      {
        name: 'info',
        summary: 'this machine, or everything about one guest',
        load: () => import('./commands/info.ts'),
      },
    ],
  },
  {
    title: 'Guests:',
    commands: [
      { name: 'run', summary: 'make one that boots from a disc (ISO)', load: () => import('./commands/run.ts') },
      { name: 'start', summary: 'start it', load: () => import('./commands/start.ts') },
      { name: 'shutdown', summary: 'ask it to power off', load: () => import('./commands/shutdown.ts') },
      { name: 'destroy', summary: 'end it at once', load: () => import('./commands/destroy.ts') },
      { name: 'reboot', summary: 'restart it', load: () => import('./commands/reboot.ts') },
      {
        name: 'remove',
        summary: 'forget one of no cluster, with its disks',
        load: () => import('./commands/remove.ts'),
      },
      { name: 'pause', summary: 'stop its processors', load: () => import('./commands/pause.ts') },
      { name: 'unpause', summary: 'let it go on', load: () => import('./commands/unpause.ts') },
      { name: 'save', summary: 'put its memory into a file and end it', load: () => import('./commands/save.ts') },
      { name: 'restore', summary: 'let a saved one go on', load: () => import('./commands/restore.ts') },
      { name: 'autostart', summary: 'start it with its host', load: () => import('./commands/autostart.ts') },
      { name: 'console', summary: 'its serial console', load: () => import('./commands/console.ts') },
      { name: 'snapshot', summary: 'keep how it stands, and go back', load: () => import('./commands/snapshot.ts') },
      { name: 'clone', summary: 'make another one of it', load: () => import('./commands/clone.ts') },
      { name: 'attach', summary: 'give it a disk or an interface', load: () => import('./commands/attach.ts') },
      { name: 'detach', summary: 'take one from it', load: () => import('./commands/detach.ts') },
      { name: 'resize', summary: 'other memory and processors', load: () => import('./commands/resize.ts') },
      { name: 'screenshot', summary: 'a picture of its screen', load: () => import('./commands/screenshot.ts') },
      { name: 'migrate', summary: 'move it to another host as it runs', load: () => import('./commands/migrate.ts') },
    ],
  },
  {
    title: 'Images and the director:',
    commands: [
      { name: 'image', summary: 'fetch, build, list and delete images', load: () => import('./commands/image.ts') },
      { name: 'pool', summary: "libvirt's storage pools", load: () => import('./commands/pool.ts') },
      { name: 'volume', summary: 'the volumes in them', load: () => import('./commands/volume.ts') },
      { name: 'network', summary: "libvirt's networks", load: () => import('./commands/network.ts') },
      { name: 'host', summary: 'look at a machine, and make it ready', load: () => import('./commands/host.ts') },
      { name: 'drain', summary: 'no new connections for a server', load: () => import('./commands/drain.ts') },
      { name: 'undrain', summary: 'let it take connections again', load: () => import('./commands/undrain.ts') },
      {
        name: 'director',
        summary: 'the daemon that checks and balances',
        load: () => import('./commands/director.ts'),
      },
      {
        name: 'trace',
        summary: 'where a packet would go, and why; nothing is sent',
        load: () => import('./commands/trace.ts'),
      },
      {
        name: 'replay',
        summary: 'a trace of checks told again, also with other numbers',
        load: () => import('./commands/replay.ts'),
      },
      {
        name: 'ipvsadm',
        summary: "the director's table, as ipvsadm edits and lists it",
        load: () => import('./commands/ipvsadm.ts'),
      },
      {
        name: 'ldirectord',
        summary: 'serve an ldirectord.cf, as ldirectord starts, stops and reloads it',
        load: () => import('./commands/ldirectord.ts'),
      },
      {
        name: 'virt-install',
        summary: 'make a guest on libvirt by the command line of virt-install',
        load: () => import('./commands/virt-install.ts'),
      },
      {
        name: 'keepalived',
        summary: 'serve a keepalived.conf as keepalived does, or check it (-t)',
        load: () => import('./commands/keepalived.ts'),
      },
      {
        name: 'genhash',
        summary: 'print the digest of a page, as keepalived’s genhash does',
        load: () => import('./commands/genhash.ts'),
      },
      {
        name: 'xen-create-image',
        summary: 'make a guest for Xen by the command line of xen-create-image',
        load: () => import('./commands/xen-tools.ts').then(({ create }) => create),
      },
      {
        name: 'xen-delete-image',
        summary: 'take a guest of xen-tools away with its disks, as xen-delete-image does',
        load: () => import('./commands/xen-tools.ts').then(({ remove }) => remove),
      },
      {
        name: 'xen-list-images',
        summary: 'list the guests that xen-tools made, as xen-list-images does',
        load: () => import('./commands/xen-tools.ts').then(({ list }) => list),
      },
      {
        name: 'xen-update-image',
        summary: 'bring the packages of guests that do not run up to date, as xen-update-image does',
        load: () => import('./commands/xen-tools.ts').then(({ update }) => update),
      },
    ],
  },
]

export const commandTable: readonly CommandEntry[] = commandGroups.flatMap(({ commands }) => commands)
