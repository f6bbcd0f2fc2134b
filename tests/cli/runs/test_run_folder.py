from concurrent.futures import ThreadPoolExecutor

from bbflow.cli.runs.run_folder import create_run_folder, release


def test_each_of_several_runs_claims_a_folder_of_its_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: create_run_folder(tmp_path / "runs"), range(8)))
    assert {path.name for path in claimed} == {f"version_{i}" for i in range(8)}
    release()
    assert not list((tmp_path / "runs").iterdir())  # nothing was written into them
