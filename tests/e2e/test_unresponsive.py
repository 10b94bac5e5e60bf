"""Clients that do not answer any more, and clients that only seem so.

Intervals are scaled down, see scenarios/unresponsive.py.
"""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import unresponsive
from servers import (DropbearAway, OpenSSHAway, OpenSSHRootAway, OpenSSHWithoutPamAway,
                     TinysshAway)
from stage import Stage

STAGE = Stage("unresponsive", {
    OpenSSHAway: unresponsive.ALL,
    OpenSSHWithoutPamAway: unresponsive.EVERYWHERE + [unresponsive.stopped_with_probes],
    OpenSSHRootAway: unresponsive.EVERYWHERE + [unresponsive.stopped_with_probes],
    DropbearAway: unresponsive.EVERYWHERE + [unresponsive.stopped_with_keepalives,
                                             unresponsive.answers_probes],
    TinysshAway: unresponsive.EVERYWHERE,
})
