import pytest
import torch

from bbflow.cli.runs.checkpoint import AtomicCheckpointIO, read_checkpoint


def test_a_checkpoint_is_written_beside_the_one_it_replaces(tmp_path, monkeypatch):
    path, elsewhere = tmp_path / "last.ckpt", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(2)}}, path)
    (tmp_path / ".last.ckpt.1.tmp").write_text("half a file of a process that was killed")

    def half(checkpoint, draft):
        draft.write(b"half")
        assert not list(elsewhere.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["elsewhere", "last.ckpt"]
    assert read_checkpoint(path, "")["state_dict"]["a"].tolist() == [1, 1]
