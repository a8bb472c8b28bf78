"""`kill -9` while finished rows are taken over: the next run ends as if nothing had been."""

from killed_pipeline import lay_out, look, outputs


def test_a_kill_while_rows_are_taken_over(kill_scenario):
    """Before the rows are on disk and after it: the next run sends nothing, and writes the same bytes."""
    folder = lay_out(kill_scenario.folder / "taken", kill_scenario.server.url, kill_scenario.rows)
    kill_scenario.run(folder)
    before, first = kill_scenario.server.asked, outputs(folder)
    held = []
    for place in ("before-commit", "after-commit"):
        killed = kill_scenario.run(folder, failpoint=f"{place}:2")
        assert killed.code == -9, killed.err
        held += look(folder, "SELECT count(*) FROM row WHERE run = (SELECT max(id) FROM run)")
    assert held[0] == (0,)
    assert 0 < held[1][0] < kill_scenario.rows
    assert kill_scenario.run(folder).code == kill_scenario.reference.code
    assert (kill_scenario.server.asked, outputs(folder)) == (before, first)
