/** What ldirectord says of itself. */
import { version } from '../../../version.ts'

/** What the original calls itself in its log and answers to -v: scripts look for it. */
export const directorName = 'Linux Director v1.186-ha'

export const versionText = `${directorName}
Baton ${version} in place of ldirectord
`

/** Said on standard output, with exit code 255 when it was not asked for. */
export const usageText = `Usage:
    ldirectord [-d|--debug] [--] [configfile] start | stop | restart |
    try-restart | reload | force-reload | status

    ldirectord [-h|-?|--help|-v|--version]

Options:
    configfile: looked for in /etc/ha.d and /etc/ha.d/conf, then as it is
    written. /etc/ha.d/ldirectord.cf when left out.

    -d|--debug   stay in the foreground, say everything on standard error

    -h|--help    this text

    -v|--version which version this is

    start        the virtual services of the file are served and checked
    stop         they end, but for those with cleanstop=no
    restart      stop, then start; try-restart: only when it runs
    reload       read the file again (SIGHUP); a file with an error changes
                 nothing
    status       whether it runs: exit code 0, 3 when not, 1 when its pid
                 file is stale
`
