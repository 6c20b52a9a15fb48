"""The signals with which all tests begin."""

import signal

# The programs that tests start inherit these. A shell ignores SIGINT for a job in the background, and nohup SIGHUP.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
