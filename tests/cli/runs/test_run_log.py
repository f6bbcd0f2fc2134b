import pytest

from bbflow.cli.runs.run_log import RunLog


def test_rows_that_were_lost_are_told_of(tmp_path):
    (tmp_path / "metrics.csv").write_text("a,step\n1,0\n2,1\n3,")
    log = RunLog(tmp_path.parent, tmp_path.name, "", kept=2)
    log.log_metrics({"b": 5.0}, 2)
    log.save()
    assert (tmp_path / "metrics.csv").read_text().split() == ["a,b,step", "1,,0", "2,,1", ",5.0,2"]
    with pytest.warns(UserWarning, match="holds 3 of the 9 rows"):
        RunLog(tmp_path.parent, tmp_path.name, "", kept=9).experiment  # noqa: B018
