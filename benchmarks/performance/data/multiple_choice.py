"""How long `bbflow evaluate` takes for 1,000 multiple-choice items on the bundled policy, nulls, intervals and report included.

Run: python benchmarks/performance/data/multiple_choice.py [ITEMS]   (aim: 30 s for 1,000 items on two CPU cores)
"""

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from bbflow.cli.main import main

WORDS = [
    "patient",
    "kidney",
    "pressure",
    "fever",
    "acute",
    "chronic",
    "dose",
    "daily",
    "renal",
    "heart",
    "therapy",
    "most",
    "likely",
    "with",
    "of",
    "the",
]


def rows(count: int) -> list[dict]:
    """Items as long as those of MMLU's medical subjects: 40 words of question, four options of up to six words."""
    rng = random.Random(0)
    return [
        {
            "question": f"Item {i}: " + " ".join(rng.choices(WORDS, k=40)) + "?",
            "choices": [f"{j} " + " ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for j in range(4)],
            "answer": rng.randrange(4),
        }
        for i in range(count)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "items.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
        start = time.perf_counter()
        assert main(["evaluate", "--policy", "tiny", "--data", str(data), "--out", str(Path(name) / "out")]) == 0
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(f"{time.perf_counter() - start:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU")
