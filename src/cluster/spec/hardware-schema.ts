/** `firmware:`, `cpu:` and `graphics:` of a pool in the file: what of a guest's machine may be chosen. */
import * as z from 'zod'
import { address, choice, integer, text } from './leaf.ts'
import { map } from './map.ts'

/** VNC's display 0. */
export const firstGraphicsPort = 5900

const screen = map({
  type: choice('type of graphics', ['vnc', 'spice']).describe('vnc (RFB) or spice.'),
  listen: address('an address of the host')
    .prefault('127.0.0.1')
    .describe('Where the host listens. There is no password: whoever reaches it has the screen.'),
  port: integer(firstGraphicsPort, 65_535)
    .optional()
    .describe(
      "The port of the pool's first guest; each further guest has the next one. libvirt chooses ports when it is left out, QEMU needs it.",
    ),
})

export const firmware = choice('firmware', ['bios', 'uefi'])
  .prefault('bios')
  .describe('What starts the guests: bios, or uefi, each with variables of its own; with hypervisor: qemu and libvirt.')

export const cpu = text(
  'host-passthrough, host-model, maximum, or the name of a model',
  /^[A-Za-z][A-Za-z0-9._-]{0,62}$/,
)
  .optional()
  .describe(
    "The processor that guests see, as libvirt has it: host-passthrough, host-model, maximum, or a model such as Skylake-Server; left out, the host's own where guests run on it, else all that QEMU can emulate.",
  )

export const graphics = z
  .union([choice('graphics', ['none', 'vnc', 'spice']), screen])
  .prefault('none')
  .describe('A screen that is reached over the network: none, vnc, spice, or a map that says where it is.')

export type GraphicsShape = z.output<typeof graphics>
