/** The unit by which guests of QEMU live with their host. */
import type { Survey } from '../survey/survey.ts'
import type { Step } from './step.ts'

export const guestsUnitName = 'baton-guests.service'
const path = `/etc/systemd/system/${guestsUnitName}`

export const guestsUnit = `# Guests of QEMU live with their host: what has autostart is started with it, and all are shut down before it halts.
# libvirt and Xen have units of their own for theirs.
[Unit]
Description=Guests that Baton runs by QEMU
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/env baton autostart run
ExecStop=/usr/bin/env baton autostart halt --timeout 90s
Environment=BATON_RUNTIME_DIR=/run/baton BATON_STATE_DIR=/var/lib/baton BATON_CACHE_DIR=/var/cache/baton
# One guest that cannot start does not take the others down.
SuccessExitStatus=1
TimeoutStartSec=660
TimeoutStopSec=180

[Install]
WantedBy=multi-user.target
`

/** Only where Baton itself is on the host, which the unit runs; a package may have brought it. */
export function guestsUnitSteps({ programs, units, files }: Survey): Step[] {
  if (!programs.includes('baton') || units.includes(guestsUnitName)) return []
  const before = files[path] ?? ''
  return [
    {
      what: `start guests with autostart, now and with the machine, and shut all down before it halts`,
      reason: `${guestsUnitName} is not enabled`,
      undo: `systemctl disable --now ${guestsUnitName}, which shuts the guests of QEMU down`,
      files: before === guestsUnit ? [] : [{ path, before, after: guestsUnit }],
      commands: [
        ['systemctl', 'daemon-reload'],
        ['systemctl', 'enable', '--now', guestsUnitName],
      ],
    },
  ]
}
