"""kill -9 at any moment, and sessions that come and go."""

from checks import test_scenario
from scenarios import endurance
from servers import Dropbear, OpenSSH
from stage import Stage

STAGE = Stage("endurance", {OpenSSH: endurance.ALL, Dropbear: [endurance.churn]},
              patience_s=endurance.PATIENCE_S)
