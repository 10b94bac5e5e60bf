"""Every scenario while the daemon is killed with -9 and restarted, again and again: its monitor,
its engine, both.  Idle time is kept, and nobody who is there is cut."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import channels, rules, shells
from servers import OpenSSH
from stage import Stage

STAGE = Stage("openssh-restarts", {OpenSSH: shells.ALL + channels.ALL + rules.ALL},
              restarts=True)
