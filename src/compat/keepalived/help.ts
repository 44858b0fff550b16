/** What `keepalived --help` prints here. */
export const helpText = `Usage: keepalived [OPTION...]
Serves the virtual servers and routers of a configuration file in a director of this machine (started when there is none).

  -n, --dont-fork               stay in the foreground
  -P, --vrrp                    only virtual routers
  -C, --check                   only virtual servers
  -l, --log-console             the log on standard error; -g, --log-file[=FILE] in a file; -S, --log-facility=0-7 of syslog (local1);
                                -G, --no-syslog
  -p, --pid=FILE                the pid file (/run/keepalived.pid); -r, -c, -b: more of them, of the same process
  -d, --dump-conf               the file as a baton.yaml in the log
  -u, --umask=MODE              of files that it makes

  -t, --config-test[=LOG_FILE]  say what is wrong with the configuration file, on standard error or in LOG_FILE;
                                exit code 0: nothing, 2: it cannot be read on, 5: errors or warnings, 6: commands or includes
  -f, --use-file=FILE           the file; /etc/keepalived/keepalived.conf when left out
  -i, --config-id=ID            for lines that begin with @ID; this machine's name when left out
  -e, --all-config              every include must find all of its files
      --signum=SIGFUNC          the number of the signal STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
  -T, --genhash                 as the first word: what follows is a call of genhash
  -v, --version                 the version
  -h, --help                    this text

SIGHUP reads the file again, SIGTERM ends it, SIGUSR1 and SIGUSR2 write /tmp/keepalived.data and /tmp/keepalived.stats (JSON).
-V, -I, -s, -x and -A are refused, with what does it here; the other options of keepalived are read and have no effect.
`
