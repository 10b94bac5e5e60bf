"""Clocks that jump, full disks, a /proc that hides: no session in use is ended."""

from checks import test_scenario
from scenarios import hardship
from servers import Dropbear, OpenSSH
from stage import Stage

STAGE = Stage("hardship", {OpenSSH: hardship.ALL, Dropbear: hardship.ELSEWHERE})
