"""Every scenario with OpenSSH as Debian configures it: PAM, ordinary users."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import channels, rules, shells
from servers import OpenSSH
from stage import Stage

STAGE = Stage("openssh", {OpenSSH: shells.ALL + channels.ALL + rules.ALL})
