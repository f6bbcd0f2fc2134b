"""The oracle is lm-evaluation-harness itself, on the same random model and the same items. It is no option: without it these tests fail."""

import json

import pytest
import torch

from bbflow.evaluation.benchmarks.formats import continuations, read_benchmark
from bbflow.evaluation.benchmarks.likelihood import Likelihoods, option_likelihoods, split_tokens
from bbflow.policies import PolicySettings, load_policy

WORDS = [
    "amlodipine",
    "propranolol",
    "metformin",
    "warfarin",
    "asthma",
    "hypertension",
    "kidney",
    "heart",
    "pregnancy",
    "dose",
    "daily",
    "fever",
]


def mmlu_rows(count=24):
    rows = []
    for i in range(count):
        options = [" ".join(WORDS[(i * 3 + j * 5 + k) % 12] for k in range(1 + (i + j) % 3)) for j in range(4)]
        subject = ("anatomy", "college_biology")[i % 2]
        rows.append({"question": f"Item {i}: which {WORDS[i % 12]} of these? ", "choices": options, "answer": i % 4, "subject": subject})
    return rows


def pubmed_rows(count=12):
    return [
        {"pubid": i, "question": f"Does {WORDS[i % 12]} help?", "context": {"contexts": [f"We gave {WORDS[(i + 1) % 12]}.", "It helped some."]},
         "final_decision": ("yes", "no", "maybe")[i % 3]}
        for i in range(count)
    ]  # fmt: skip


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


MMLU_TASK = """
doc_to_text: "{{question.strip()}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nC. {{choices[2]}}\\nD. {{choices[3]}}\\nAnswer:"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: answer
"""
PUBMED_TASK = """
doc_to_text: "Abstract: {{context.contexts | join('\\n')}}\\nQuestion: {{question}}\\nAnswer:"
doc_to_choice: ["yes", "no", "maybe"]
doc_to_target: final_decision
"""


def oracle(folder, task, data):
    """What lm-eval says of each item: log-likelihoods of the options, acc."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    (folder / "tasks").mkdir()
    head = f"task: own\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: '{data}'}}}}\noutput_type: multiple_choice\ntest_split: test\n"
    metrics = "metric_list:\n  - {metric: acc, aggregation: mean, higher_is_better: true}\n"
    (folder / "tasks" / "own.yaml").write_text(head + metrics + task)

    def run(policy):
        model = HFLM(pretrained=policy.model, tokenizer=policy.tokenizer, batch_size=4)
        manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
        found = simple_evaluate(model, tasks=["own"], task_manager=manager, log_samples=True, bootstrap_iters=0)
        return sorted(found["samples"]["own"], key=lambda sample: sample["doc_id"])

    return run


@pytest.mark.parametrize(("task", "rows"), [(MMLU_TASK, mmlu_rows()), (PUBMED_TASK, pubmed_rows())])
def test_agrees_with_lm_eval_item_by_item(tmp_path, tmp_path_factory, monkeypatch, tiny_dir, task, rows):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
    data = write(tmp_path / "data.jsonl", rows)
    policy = load_policy(PolicySettings(path=str(tiny_dir)))
    samples = oracle(tmp_path, task, data)(policy)
    policy.model.train()
    _, examples = read_benchmark(data)
    found = option_likelihoods(policy, examples, tokens_at_once=300)
    assert len(samples) == len(found) == len(rows)
    for sample, likelihoods, example in zip(samples, found, examples, strict=True):
        theirs = [float(pair[0]) for pair in sample["filtered_resps"]]
        assert likelihoods.values == pytest.approx(theirs, abs=1e-4)
        assert (example.options[likelihoods.best] == example.answer) == bool(sample["acc"])


def test_the_order_of_the_batches_changes_nothing(tmp_path, tiny_gpt2_dir):
    policy = load_policy(PolicySettings(path=str(tiny_gpt2_dir)))
    _, examples = read_benchmark(write(tmp_path / "data.jsonl", mmlu_rows()))
    one, many = (option_likelihoods(policy, examples, tokens_at_once=n) for n in (1, 100_000))
    for a, b in zip(one, many, strict=True):
        assert a.values == pytest.approx(b.values, abs=1e-4)


def test_too_long_an_item_loses_its_beginning(tmp_path, tiny_qwen_dir):
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir)))
    policy.model.config.max_position_embeddings = 32
    row = mmlu_rows(1)[0]
    long = row | {"question": "fever " * 400 + row["question"]}
    longer = row | {"question": "dose " + "fever " * 400 + row["question"]}
    _, examples = read_benchmark(write(tmp_path / "data.jsonl", [long, longer]))
    first, second = option_likelihoods(policy, examples)
    assert first.values == pytest.approx(second.values)


def test_trailing_spaces_belong_to_the_continuation(tiny_tokenizer):
    context, option = split_tokens(tiny_tokenizer, "Answer: ", "A")
    assert tiny_tokenizer.decode(context) == "Answer:"
    assert tiny_tokenizer.decode(option) == " A"


AWKWARD = [
    ["B", "A", "AB", "O"],
    ["aspirin", "warfarin", "aspirin", "aspirin"],
    ["A.", "A and B", "D", "(A)"],
    ["Answer: B", "not A", "", "-"],
    ["\u03b2", "\u534e\u6cd5\u6797", "\u2191", "\u2193"],
    ["yes", "no", "Yes", "no A"],
]


@pytest.mark.parametrize("options", AWKWARD)
@pytest.mark.parametrize("gold", range(4))
def test_the_likeliest_option_is_scored_by_its_place_whatever_the_options_say(tmp_path, monkeypatch, options, gold):
    from bbflow.evaluation.answer_cache import AnswerCache
    from bbflow.evaluation.benchmarks import answering

    _, (example,) = read_benchmark(write(tmp_path / "data.jsonl", [{"question": "Which?", "choices": options, "answer": gold}]))
    capabilities = {"mmlu": answering.benchmark_capability("mmlu", "loglikelihood")}
    scores = []
    for likeliest in range(4):
        values = tuple(float(i == likeliest) for i in range(4))
        monkeypatch.setattr(answering, "option_likelihoods", lambda policy, part, values=values: [Likelihoods(values)])
        table = answering.score_answers(None, capabilities, [example], {example.example_id}, 1, 1, lambda *_: None, AnswerCache())
        scores += list(table["score"])
    assert continuations(example) == ["A", "B", "C", "D"]
    assert scores == [float(i == gold) for i in range(4)]


def test_the_model_stays_in_its_mode_and_takes_no_gradient(tmp_path, tiny_gpt2_dir):
    policy = load_policy(PolicySettings(path=str(tiny_gpt2_dir)))
    _, examples = read_benchmark(write(tmp_path / "data.jsonl", mmlu_rows(2)))
    option_likelihoods(policy, examples)
    assert policy.model.training
    assert torch.is_grad_enabled()
