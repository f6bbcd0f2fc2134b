"""Metapaths in YAML: what is wrong in a file of one's own is told with its line, all of it at once."""

from pathlib import Path

import pytest

from bbflow.errors import InputError
from bbflow.synthesis.metapaths.metapath import load_metapaths

MISTAKES = """\
metapaths:
  - {name: a, path: Drug -interacts_wth-> Diseas}
  - {nme: b, path: Drug -treats-> Disease}
  - {name: c, paht: Drug -treats-> Disease}
  - {name: d, path: Disease -treats-> Drug}
  - {name: e, path: Drug -treats-> Disease}
  - {name: f, path: Disease <-treats- Drug}
  - {name: e, path: Drug -has_side_effect-> PhenotypicFeature}
  - {name: g, path: Drug -caution_in-> Disease, say: 4}
  - {name: h, path: Drug -caution_in-> Disease, say: [that disease]}
  - 5
"""


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MISTAKES)
    with pytest.raises(InputError) as caught:
        load_metapaths(file)
    told = [(int(p.where.split(":")[-2]), f"{p.what} {p.hint}") for p in caught.value.problems]
    for line, said in (
        (2, "'Diseas' is no kind of node did you mean 'Disease'?"),
        (2, "'interacts_wth' is no predicate did you mean 'interacts_with'?"),
        (3, "unknown key 'nme' did you mean 'name'?"),
        (4, "unknown key 'paht' did you mean 'path'?"),
        (4, "a metapath needs a 'path'"),
        (5, "treats does not start at a Disease"),
        (7, "metapath 'f' is 'e', or that walked backwards"),
        (8, "two metapaths are called 'e'"),
        (9, "'say' is a phrase"),
        (10, "'say' is a phrase"),
        (11, "a metapath needs a 'path'"),
    ):
        assert any(at == line and said in what for at, what in told), (line, said, told)


@pytest.mark.parametrize("text", ["", "5\n", "metapaths: 3\n", "metapaths: []\n"])
def test_a_file_without_metapaths(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml.*lists no 'metapaths'"):
        load_metapaths(tmp_path / "mine.yaml")
