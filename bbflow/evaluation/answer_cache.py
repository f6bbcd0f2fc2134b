"""Answers stored during an evaluation, so that an interrupted one can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any


class AnswerCache:
    """Answers by question, appended to a JSONL file batch by batch; an incomplete last line, left by an interruption, is dropped.

    Args:
        path: The file; None keeps answers in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._answers: dict[str, str] = {}
        if path is not None and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            for line in lines:
                try:
                    self._answers |= {str(key): str(answer) for key, answer in json.loads(line).items()}
                except (ValueError, AttributeError):
                    continue
            if lines and not lines[-1].endswith("\n"):
                with path.open("a", encoding="utf-8") as file:  # so that the next batch begins on a new line
                    file.write("\n")

    def known(self, questions: Iterable[Hashable]) -> dict[Hashable, str]:
        """Return the stored answers of some questions."""
        found = {question: self._answers.get(_key(question)) for question in questions}
        return {question: answer for question, answer in found.items() if answer is not None}

    def add(self, answers: Mapping[Any, str]) -> None:
        """Store answers."""
        new = {_key(question): answer for question, answer in answers.items()}
        self._answers |= new
        if self.path is not None and new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(new) + "\n")

    def discard(self) -> None:
        """Remove the file after everything is answered and reported."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def answers_file(folder: Path, policy: str, *settings: object) -> Path:
    """Return the file for the answers of one policy under given settings; rewritten weights count as another policy."""
    weights = sorted(Path(policy).expanduser().glob("*.safetensors")) if Path(policy).expanduser().is_dir() else []
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in weights]
    return folder / f".answers-{_key((policy, state, settings))[:16]}.jsonl"


def _key(question: Hashable | list[Any] | tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:24]
