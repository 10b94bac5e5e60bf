"""The daemon as a whole: restarts, brake, control socket, privileges, command."""

from checks import test_scenario
from scenarios import daemons
from servers import OpenSSH
from stage import Stage

STAGE = Stage("daemon", {OpenSSH: daemons.ALL})
