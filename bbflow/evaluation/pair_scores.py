"""Evaluation of a reward model: accuracy by corruption and worst group, calibration, length bias, and a shallow baseline."""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bbflow.data.preference_pairs import PreferencePair
from bbflow.evaluation.statistics.clustered import score_interval
from bbflow.policies.reward_heads import GATED, Scored

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class PairScores:
    """Pairs and the scores of their 2N responses: the chosen ones, then the rejected ones."""

    pairs: Sequence[PreferencePair]
    scored: Scored

    def logits(self, head: str, heads: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the scores of the chosen and of the rejected responses by a head, or by the mixture."""
        values = self.scored.gated_N if head == GATED else self.scored.heads_NK[:, list(heads).index(head)]
        both = values.double().numpy()
        return both[: len(self.pairs)], both[len(self.pairs) :]

    def won(self) -> NDArray[np.bool_]:
        """Return whether the mixture prefers the chosen response of each pair; a tie counts as lost."""
        gated = self.scored.gated_N.numpy()
        return np.asarray(gated[: len(self.pairs)] > gated[len(self.pairs) :])

    def table(self) -> pd.DataFrame:
        """Return one row per pair: id, corruption, head, task, cluster, and the mixture's two scores."""
        import pandas as pd

        gated, count = self.scored.gated_N.tolist(), len(self.pairs)
        rows = [
            (p.pair_id, p.corruption, p.head, p.task, p.cluster, gated[i], gated[count + i], len(p.chosen), len(p.rejected))
            for i, p in enumerate(self.pairs)
        ]
        names = ("pair_id", "corruption", "head", "task", "cluster", "chosen_score", "rejected_score", "chosen_length", "rejected_length")
        return pd.DataFrame(rows, columns=list(names))


def fit_temperature(scores: PairScores, heads: Sequence[str]) -> dict[str, float]:
    """Return the temperature of each head and of the mixture that maximises the likelihood of sigmoid(score / T) (arXiv 1706.04599).

    A head is fitted on the pairs that train it; a head without pairs keeps 1.
    """
    own = np.array([pair.head for pair in scores.pairs])
    found = {}
    for head in (GATED, *heads):
        mine = np.ones(len(own), bool) if head == GATED else own == head
        chosen, rejected = scores.logits(head, heads)
        logits = np.concatenate([chosen[mine], rejected[mine]])
        labels = np.concatenate([np.ones(mine.sum()), np.zeros(mine.sum())])
        found[head] = _best_temperature(logits, labels) if mine.any() else 1.0
    return found


def _best_temperature(logits: Floats, labels: Floats) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - labels * scaled))

    return float(math.exp(minimize_scalar(loss, bounds=(-3.0, 5.0), method="bounded").x))


def expected_calibration_error(probabilities: Floats, labels: Floats, bins: int = BINS) -> tuple[float, list[dict[str, float]]]:
    """Return the mean distance of stated probability and observed share over equal-width bins, weighted by counts (arXiv 1706.04599).

    Returns:
        The error, and for each filled bin its mean probability (`stated`), share of correct responses (`observed`) and count.

    >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0]))[0]
    0.4
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    filled = [
        {"stated": float(probabilities[place == b].mean()), "observed": float(labels[place == b].mean()), "count": int((place == b).sum())}
        for b in range(bins)
        if (place == b).any()
    ]
    error = sum(b["count"] * abs(b["stated"] - b["observed"]) for b in filled) / len(labels)
    return round(float(error), 12), filled


def evaluate_pairs(
    scores: PairScores, temperature: dict[str, float], train: Sequence[PreferencePair], held_out: Iterable[str]
) -> dict[str, Any]:
    """Return the evaluation of a reward model for the report, as plain data.

    Args:
        scores: Scores of the test pairs.
        temperature: Temperatures fitted on validation pairs.
        train: Training pairs, from which the shallow baseline learns.
        held_out: Names of corruptions that no training pair has.

    Returns:
        accuracy, interval, held_out_accuracy, by_corruption (accuracy, interval, n, baseline, held_out), worst_group (corruption and task),
        calibration before and after scaling, length_correlation, baseline.
    """
    pairs, won = scores.pairs, scores.won().astype(float)
    baseline = ShallowBaseline().fit(train)
    base = np.array([baseline.prefers(pair) for pair in pairs], float)
    clusters = np.array([pair.cluster for pair in pairs])
    kinds = np.array([pair.corruption for pair in pairs])
    tasks = np.array([pair.task for pair in pairs])
    unseen = np.isin(kinds, list(held_out))
    by = {}
    for kind in sorted(set(kinds)):
        at = kinds == kind
        by[kind] = {**_share(won[at], clusters[at]), "baseline": float(base[at].mean()), "held_out": bool(unseen[at].any())}
    groups = {f"{kind} / {task}": (kinds == kind) & (tasks == task) for kind in sorted(set(kinds)) for task in sorted(set(tasks))}
    big = {name: float(won[at].mean()) for name, at in groups.items() if at.sum() >= 10}
    worst = min(big, key=lambda name: big[name]) if big else None
    chosen, rejected = scores.logits(GATED, ())
    logits, labels = np.concatenate([chosen, rejected]), np.repeat([1.0, 0.0], len(pairs))
    raw, _ = expected_calibration_error(_sigmoid(logits), labels)
    scaled, bins = expected_calibration_error(_sigmoid(logits / temperature[GATED]), labels)
    lengths = np.array([len(p.chosen) for p in pairs] + [len(p.rejected) for p in pairs], float)
    gap = np.array([len(p.chosen) - len(p.rejected) for p in pairs], float)
    seen = ~unseen
    return {
        **{key: value for key, value in _share(won[seen], clusters[seen]).items() if key != "n"},
        "pairs": len(pairs),
        "train_pairs": len(train),
        "clusters": len(set(clusters)),
        "held_out_accuracy": float(won[unseen].mean()) if unseen.any() else None,
        "held_out_corruptions": sorted(set(kinds[unseen])),
        "baseline": {"accuracy": float(base[seen].mean()), "held_out_accuracy": float(base[unseen].mean()) if unseen.any() else None},
        "by_corruption": by,
        "worst_group": None if worst is None else {"group": worst, "accuracy": big[worst], "n": int(groups[worst].sum())},
        "calibration": {"ece_raw": raw, "ece": scaled, "temperature": temperature[GATED], "bins": bins},
        "length": {
            "score_correlation": _correlation(logits, lengths),
            "gap_correlation": _correlation(chosen - rejected, gap),
            "mean_gap": float(gap.mean()),
        },
        "truncated": int(scores.scored.truncated_N.sum()),
    }


class ShallowBaseline:
    """Logistic regression on the difference of two responses: hashed words and word pairs, length, and words shared with the prompt.

    Pairs that it ranks correctly can be ranked without reading the evidence.

    Args:
        buckets: Size of the hash space.
        l2: Ridge penalty.
        steps: Steps of gradient descent with AdaGrad.
    """

    def __init__(self, buckets: int = 4096, l2: float = 1e-4, steps: int = 60) -> None:
        self.buckets, self.l2, self.steps = buckets, l2, steps
        self.weights: Floats = np.zeros(buckets + 3)

    def fit(self, pairs: Sequence[PreferencePair]) -> ShallowBaseline:
        """Learn from training pairs."""
        from scipy.sparse import csr_matrix

        rows, columns, values = [], [], []
        for i, pair in enumerate(pairs):
            for column, value in self._difference(pair).items():
                rows.append(i)
                columns.append(column)
                values.append(value)
        if not pairs:
            return self
        x = csr_matrix((values, (rows, columns)), shape=(len(pairs), self.buckets + 3))
        history = np.full(self.buckets + 3, 1e-8)
        for _ in range(self.steps):
            gradient = -np.asarray(x.T @ _sigmoid(-(x @ self.weights))).ravel() / len(pairs) + self.l2 * self.weights
            history += gradient**2
            self.weights -= 0.3 * gradient / np.sqrt(history)
        return self

    def prefers(self, pair: PreferencePair) -> bool:
        """Return whether the chosen response scores higher."""
        return sum(self.weights[column] * value for column, value in self._difference(pair).items()) > 0

    def _difference(self, pair: PreferencePair) -> dict[int, float]:
        prompt = set(_words(" ".join(m["content"] for m in pair.messages)))
        total: dict[int, float] = {}
        for sign, text in ((1.0, pair.chosen), (-1.0, pair.rejected)):
            words = _words(text)
            grams = [*words, *(" ".join(two) for two in itertools.pairwise(words))]
            for gram in grams:
                column = zlib.crc32(gram.encode()) % self.buckets
                total[column] = total.get(column, 0.0) + sign
            shared = sum(word in prompt for word in words) / max(1, len(words))
            for column, value in ((0, len(text) / 100), (1, len(words) / 10), (2, shared)):
                total[self.buckets + column] = total.get(self.buckets + column, 0.0) + sign * value
        return {column: value for column, value in total.items() if value}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.casefold())


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x) / 2)))


def _share(won: Floats, clusters: NDArray[Any]) -> dict[str, Any]:
    if not len(won):
        return {"accuracy": float("nan"), "ci": [0.0, 1.0], "n": 0}
    return {"accuracy": float(won.mean()), "ci": list(score_interval(won, clusters)), "n": len(won)}


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and a.std() > 0 and b.std() > 0 else 0.0
