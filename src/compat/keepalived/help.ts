/** What `keepalived --help` prints here. */
export const helpText = `Usage: keepalived [OPTION...]
  -t, --config-test[=LOG_FILE]  say what is wrong with the configuration file, on standard error or in LOG_FILE;
                                exit code 0: nothing, 2: it cannot be read on, 5: errors or warnings, 6: commands or includes
  -f, --use-file=FILE           the file; /etc/keepalived/keepalived.conf when left out
  -i, --config-id=ID            for lines that begin with @ID; this machine's name when left out
  -e, --all-config              every include must find all of its files
      --signum=SIGFUNC          the number of the signal STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
  -v, --version                 the version
  -h, --help                    this text

All other options of keepalived are read and have no effect on -t.
The virtual servers of a file are served by: baton director --config FILE
`
