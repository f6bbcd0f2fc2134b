"""Where the seconds of the main job go, by looking at its stack twenty times a second.

Run: python benchmarks/performance/training/main_job_profile.py [OPTIONS OF bbflow fit]
The job is `bbflow fit --config recipes/grpo.yaml` as it stands; options come after it, such as --trainer.max_steps=20. A look counts for the first phase of the
list below that has a function on the stack. The last line is JSON: seconds by phase. Looking costs the job about one percent.
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

PHASES = {
    "imports": [("importlib", "_find_and_load")],
    "questions drawn and proved": [("synthesis/generate.py", "")],
    "contract": [("contracts/", "")],
    "evaluation: completions": [("evaluation/scoring.py", "complete")],
    "evaluation: metrics and null models": [("evaluation/", "null_scores"), ("evaluation/", "score_policy")],
    "report": [("callbacks/report.py", "Report")],
    "examples checked, written and read": [("data/", ""), ("records.py", "")],
    "rollouts": [("policies/rollouts/", "")],
    "rewards": [("rewards/", ""), ("modules/training/experience.py", "")],
    "references: forward": [("modules/training/policy_step.py", "PolicyStep._reference_loss")],
    "completions: forward": [("modules/training/policy_step.py", "PolicyStep._loss")],
    "backward": [("", "Strategy.backward")],
    "optimiser and clipping": [("torch/optim", ""), ("", "Precision.clip_gradients")],
    "checkpoints": [("", "save_checkpoint")],
}
"""Phase to functions, each a part of a path and a part of a name."""
PERIOD = 0.05


def phase_of(stack: list[tuple[str, str]]) -> str:
    """The first phase that has a function on the stack."""
    for phase, functions in PHASES.items():
        if any(path in where and what in name for where, name in stack for path, what in functions):
            return phase
    return "else"


def main(options: list[str]) -> None:
    """Runs the job, watched from a thread."""
    seconds: Counter[str] = Counter()
    ended, watched = threading.Event(), threading.main_thread().ident

    def watch() -> None:
        last = time.perf_counter()
        while not ended.wait(PERIOD):
            frame, stack = sys._current_frames().get(watched), []
            while frame is not None:
                stack.append((frame.f_code.co_filename, frame.f_code.co_qualname))
                frame = frame.f_back
            now = time.perf_counter()
            seconds[phase_of(stack)] += now - last
            last = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    from bbflow.cli.main import main as bbflow

    recipe = Path(__file__).parents[3] / "recipes" / "grpo.yaml"
    with tempfile.TemporaryDirectory() as folder:
        status = bbflow(["fit", "--config", str(recipe), f"--trainer.default_root_dir={folder}", *options])
    ended.set()
    thread.join()
    print(json.dumps({phase: round(seconds[phase], 1) for phase in [*PHASES, "else"]} | {"all": round(seconds.total(), 1)}))
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
