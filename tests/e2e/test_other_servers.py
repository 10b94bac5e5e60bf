"""dropbear as a daemon and per connection, tinysshd: what they can do."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import channels, shells
from servers import Dropbear, DropbearInetd, Tinyssh
from stage import Stage

SESSIONS = shells.ALL + channels.ALL

STAGE = Stage("other-servers", {Dropbear: SESSIONS, DropbearInetd: SESSIONS, Tinyssh: SESSIONS})
