# Folds the trace of one process, made by strace -o: leaves out the lines whose number varies from
# run to run, and those that repeat what is shown.
#
#     awk -f tests/audit/fold.awk target/trace
#
# Left out are: misses; an attempt to open a queue that is not there yet, and the pause after it; a
# handler like one before; readings of the clock that check for a timeout, and the looks at the peer's
# lock that follow them.

BEGIN { FS = "\"" }                     # the second field is the first string: a message

/^rt_sigaction\(.*NULL, \{sa_handler=SIG_IGN/ { next }  # it is ignored, and stays so
/^rt_sigaction\(/ {
    match($0, /\{[^}]*\}/)              # the new action
    if (seen[substr($0, RSTART, RLENGTH)]++) next
}

# An empty poll. The last check of the queue comes directly after a reply, and is kept.
/^mq_timedreceive\(.* NULL, NULL\) += -1 EAGAIN/ && last !~ /^mq_timedreceive/ { next }

# The program receives its own message and sends it back.
/^mq_timedreceive\(/ && $2 != "" && $2 == sent { is_own = 1; next }
/^mq_timedsend\(/ {
    if (is_own) { is_own = 0; next }
    sent = $2
}
/^sched_yield\(/ { next }

/^mq_open\(.* = -1 ENOENT/ { next }
/^nanosleep\(/ { next }

# Of the readings before getrusage(2) the last one is kept.
/^clock_gettime\(CLOCK_MONOTONIC/ { reading = $0; next }
/^fcntl\(.*F_GETLK/ && reading { reading = ""; next }
/^getrusage\(/ && reading { print reading }
{ reading = "" }

{ print; last = $0 }
