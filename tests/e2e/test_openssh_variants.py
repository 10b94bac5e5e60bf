"""OpenSSH without PAM, over IPv6, and in another network namespace than the daemon."""

from checks import test_daemon_is_well, test_nothing_else_was_cut, test_scenario
from scenarios import channels, shells
from servers import OpenSSHIpv6, OpenSSHNamespace, OpenSSHWithoutPam
from stage import Stage

# What the address of a connection could matter for.
ELSEWHERE = [shells.idle_shell, shells.typing, shells.output_only, shells.client_keepalives,
             channels.sftp_prompt, channels.sftp_upload, channels.exec_sleeping,
             channels.exec_input, channels.no_channel]

STAGE = Stage("openssh-variants", {
    OpenSSHWithoutPam: shells.ALL + channels.ALL,
    OpenSSHIpv6: ELSEWHERE,
    OpenSSHNamespace: ELSEWHERE,
})
