"""TCP sockets for services: the public names of `skypy.socket`, each listed once.

`skypy/worker/verbs/sockets.py` and `skypy/worker/verbs/watching.py` say what each verb promises.
"""

from skypy.core.close_reason import CloseReason as CloseReason
from skypy.core.socket_address import SocketAddress as SocketAddress
from skypy.core.socket_info import SocketInfo as SocketInfo
from skypy.worker.verbs.sockets import abort as abort
from skypy.worker.verbs.sockets import close as close
from skypy.worker.verbs.sockets import drain as drain
from skypy.worker.verbs.sockets import listen as listen
from skypy.worker.verbs.sockets import open as open
from skypy.worker.verbs.sockets import read as read
from skypy.worker.verbs.sockets import readall as readall
from skypy.worker.verbs.sockets import readline as readline
from skypy.worker.verbs.sockets import shutdown as shutdown
from skypy.worker.verbs.sockets import start as start
from skypy.worker.verbs.sockets import write as write
from skypy.worker.verbs.watching import abandon as abandon
from skypy.worker.verbs.watching import counters as counters
from skypy.worker.verbs.watching import disconnected as disconnected
from skypy.worker.verbs.watching import info as info
from skypy.worker.verbs.watching import invalid as invalid
from skypy.worker.verbs.watching import limit as limit
from skypy.worker.verbs.watching import local_address as local_address
from skypy.worker.verbs.watching import netstat as netstat
from skypy.worker.verbs.watching import onclose as onclose
from skypy.worker.verbs.watching import onwarning as onwarning
from skypy.worker.verbs.watching import pause as pause
from skypy.worker.verbs.watching import peer_address as peer_address
from skypy.worker.verbs.watching import resume as resume
