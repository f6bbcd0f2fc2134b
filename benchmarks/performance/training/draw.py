"""What drawing a token from a large vocabulary costs: cumulative sums over all words, or block by block.

Run: python benchmarks/performance/training/draw.py [ROWS [WORDS]] (64 rows of 151,936 words in bfloat16). Log-probabilities and draw, in turns, medians of seven. The last line is JSON.
"""

import json
import statistics
import sys
import time

import torch

from bbflow.policies.rollouts import sampling


def main(rows: int = 64, words: int = 151_936) -> None:
    torch.manual_seed(0)
    logits, uniform = torch.randn(rows, words, dtype=torch.bfloat16), torch.rand(rows, dtype=torch.float64)
    ways = {"whole": words, "blocks": sampling.WHOLE}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    drawn = {}
    for turn in range(8):
        for name, sampling.WHOLE in ways.items():
            start = time.perf_counter()
            drawn[name] = sampling.draw(torch.log_softmax(logits, -1, dtype=torch.float32).exp(), uniform)
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    median = {name: round(statistics.median(times), 4) for name, times in seconds.items()}
    ratio = statistics.median(a / b for a, b in zip(seconds["whole"], seconds["blocks"], strict=True))
    print(
        json.dumps(
            {"seconds": median, "whole_over_blocks": round(ratio, 2), "same_tokens": bool((drawn["whole"] == drawn["blocks"]).all())}
        )
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
