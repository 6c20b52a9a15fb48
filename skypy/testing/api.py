"""The public names of `skypy.testing`, which loads this module at first use."""

from skypy.testing.client import Client as Client
from skypy.testing.client import Connect as Connect
from skypy.testing.clock import Clock as Clock
from skypy.testing.memory.loop import Stuck as Stuck
from skypy.testing.memory.system import System as System
from skypy.testing.probe import Message as Message
from skypy.testing.probe import Probe as Probe
from skypy.testing.probe import StartProbe as StartProbe
from skypy.testing.processes.node import Node as Node
