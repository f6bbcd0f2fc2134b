"""Tiny policies with random weights, in two architectures, saved as folders like any policy."""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import hypothesis
import pytest
import torch
from lightning.pytorch import LightningDataModule

from bbflow.records import Example, Message
from bbflow.rewards.base import Reward

hypothesis.settings.register_profile("bbflow", deadline=None, derandomize=True)  # a busy machine is no failure; the same cases every run
hypothesis.settings.load_profile("bbflow")

SENTENCES = [
    "Which drug treats hypertension? A) propranolol B) amlodipine C) metformin D) none of these",
    "propranolol is contraindicated in asthma. Answer: amlodipine",
    "metformin treats type 2 diabetes. Answer: metformin",
    "Answer with one word. The patient is pregnant and takes warfarin. Answer: none of these",
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    core.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def save_policy(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny_qwen_dir(tmp_path_factory, tiny_tokenizer):
    """A Qwen2-like policy: rotary positions, grouped keys, tied head."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tiny_tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, initializer_range=0.2,
        eos_token_id=tiny_tokenizer.eos_token_id, pad_token_id=tiny_tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    return save_policy(tmp_path_factory.mktemp("tiny_qwen"), Qwen2ForCausalLM(config), tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_gpt2_dir(tmp_path_factory, tiny_tokenizer):
    """A GPT-2-like policy: learned positions, so that every mistake about padding shows."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.2,
        eos_token_id=tiny_tokenizer.eos_token_id, bos_token_id=tiny_tokenizer.eos_token_id, pad_token_id=tiny_tokenizer.pad_token_id,
        resid_pdrop=0.1, attn_pdrop=0.1, embd_pdrop=0.1,
    )  # fmt: skip
    return save_policy(tmp_path_factory.mktemp("tiny_gpt2"), GPT2LMHeadModel(config), tiny_tokenizer)


@pytest.fixture(scope="session", params=["qwen", "gpt2"])
def tiny_dir(request, tiny_qwen_dir, tiny_gpt2_dir):
    """Both architectures, one after the other."""
    return {"qwen": tiny_qwen_dir, "gpt2": tiny_gpt2_dir}[request.param]


def make_example(number=0, question="Which drug treats hypertension?", answer="amlodipine", **changes):
    fields = {
        "example_id": f"e{number:04d}", "task": "fact_recall", "capabilities": ["domain"], "response": f"Answer: {answer}",
        "messages": [Message(role="user", content=question)], "answer": answer, "cluster": "c0",
    }  # fmt: skip
    return Example(**{**fields, **changes})


@pytest.fixture
def example():
    """A factory of examples: `example(3, question=..., answer=..., capabilities=[...])`."""
    return make_example


@pytest.fixture
def vowels():
    """A capability that pays for the share of vowels in a completion: `vowels(letters="aeiou", weight=1.0, ...)`."""
    return make_vowels


def make_vowels(letters="aeiou", **changes):
    from bbflow.capabilities import Capability

    return Capability(**{"metric": Letters(letters), "rewards": {"letters": Letters(letters)}, **changes})


class Letters(Reward):
    """The share of some letters in a completion."""

    def __init__(self, letters="aeiou"):
        self.letters = letters

    def __call__(self, examples, completions):
        return [sum(c.lower() in self.letters for c in text) / max(1, len(text)) for text in completions]


@pytest.fixture
def make_trainer(tmp_path):
    """A quiet single-process trainer with a CSV log in a temporary folder."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import CSVLogger

    def make(**changes):
        folder = changes.pop("folder", tmp_path / "run")
        settings = {
            "logger": CSVLogger(folder, name="", version=""), "accelerator": "cpu", "devices": 1, "log_every_n_steps": 1,
            "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0,
        }  # fmt: skip
        return Trainer(**{**settings, **changes})

    return make


@pytest.fixture
def make_data():
    """A data module over given examples, in a fixed order."""
    return ListData


class ListData(LightningDataModule):
    def __init__(self, train=(), validation=(), batch_size=4, tasks=None):
        super().__init__()
        self.splits, self.batch_size = {"train": list(train), "validation": list(validation)}, batch_size
        if tasks is not None:
            self.tasks = tasks

    def _loader(self, split):
        collate = self.trainer.lightning_module.collate
        return torch.utils.data.DataLoader(self.splits[split], batch_size=self.batch_size, collate_fn=collate)

    def train_dataloader(self):
        return self._loader("train")

    def val_dataloader(self):
        return self._loader("validation") if self.splits["validation"] else []

    def test_dataloader(self):
        return self._loader("validation")

    def predict_dataloader(self):
        return self._loader("validation")
