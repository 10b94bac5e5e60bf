"""OpenSSH with other processes: logins of root, which are one process, and sshd started for each
connection."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import channels, shells
from servers import OpenSSHInetd, OpenSSHRoot
from stage import Stage

SESSIONS = shells.ALL + channels.ALL

STAGE = Stage("openssh-shapes", {OpenSSHRoot: SESSIONS, OpenSSHInetd: SESSIONS})
