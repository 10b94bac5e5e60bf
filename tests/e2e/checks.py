"""The tests that every stage has; a test module imports them beside its STAGE."""

import statistics

import pytest


def test_scenario(stage, case, record_property):
    """One scenario with one server; see scenarios/."""
    if case in stage.obstacles:
        pytest.skip(f"{case[0]}: {stage.obstacles[case]}")
    play = stage.plays[case]
    assert play.done.wait(stage.patience_s), f"{play.name} hangs"
    if play.proved:
        pytest.skip("the session was proved; there is no daemon to judge")
    if play.measured:
        record_property(play.name, play.measured)
    if play.failure:
        pytest.fail(f"{play.failure!s:.4000}\n  at {play.where}", pytrace=False)


def test_nothing_else_was_cut(stage, record_property):
    """No session was cut that no scenario wanted to be cut; and how late the others were."""
    stage.wait_all()
    if not stage.daemon:
        pytest.skip("there is no daemon")
    assert stage.daemon.cuts_beside(stage.expected) == []
    late = sorted(late for late, _ in stage.lateness)
    if late:
        record_property(f"{stage.name}", f"{len(late)} sessions ended in time, after the limit "
                        f"by {statistics.median(late):.2f} s (median), {late[-1]:.2f} s (most, "
                        f"{max(stage.lateness)[1]})")


def test_daemon_is_well(stage):
    """The daemon made no complaint, had no crash, and ends on SIGTERM."""
    stage.wait_all()
    if not stage.daemon:
        pytest.skip("there is no daemon")
    assert stage.daemon.complaints() == []
    assert stage.daemon.stop() == 0
    assert stage.daemon.troubles == []
