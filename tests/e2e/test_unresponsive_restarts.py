"""Clients that do not answer, and those that only seem so, while the daemon is killed with -9 and
restarted, again and again: what it asked before is forgotten, and no client may pay for that."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import unresponsive
from servers import DropbearAway, OpenSSHAway, TinysshAway
from stage import Stage

STAGE = Stage("unresponsive-restarts", {
    OpenSSHAway: unresponsive.LOST + unresponsive.LIVING,
    DropbearAway: [unresponsive.link_down_silent, unresponsive.outage_silent,
                   unresponsive.answers_probes],
    TinysshAway: [unresponsive.hole_flood, unresponsive.outage_printing],
}, restarts=True)
