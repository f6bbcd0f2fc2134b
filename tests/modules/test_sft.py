import pytest
import torch

from bbflow.errors import InputError
from bbflow.modules import SFT
from bbflow.optimization import OptimizerSettings
from bbflow.policies import LoraSettings, PolicySettings


@pytest.fixture
def module(tiny_dir):
    module = SFT(PolicySettings(path=str(tiny_dir)))
    module.configure_model()
    module.model.eval()
    return module


def test_nothing_is_loaded_before_configure_model(tiny_qwen_dir):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)))
    assert module.policy is None
    assert list(module.parameters()) == []
    module.configure_model()
    model = module.model
    module.configure_model()
    assert module.model is model


def test_the_loss_is_that_of_response_and_end_mark_alone(module, example):
    examples = [example(1), example(2, question="Why is it so? Tell me.", answer="a much longer answer than before")]
    batch = module.collate(examples)
    loss, tokens = module._negative_log_likelihood(batch)
    expected = count = 0.0
    for e in examples:
        prompt, response = module.policy.prompt_ids(e.messages), module.policy.response_ids(e.response)
        assert response[-1] == module.policy.tokenizer.eos_token_id
        logprobs = module.model(torch.tensor([prompt + response])).logits[0].log_softmax(-1)
        expected -= sum(logprobs[len(prompt) + t - 1, token] for t, token in enumerate(response))
        count += len(response)
    assert int(tokens) == count
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_trap_19_sft_without_a_supervised_token_raises(tiny_qwen_dir, example):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)))
    module.configure_model()
    with pytest.raises(InputError, match="no token to learn from"):
        module.collate([example(1), example(2, response="  ")])


def test_trap_19_the_supervised_tokens_do_not_depend_on_the_template(tiny_qwen_dir, example):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)))
    module.configure_model()
    with_template = module.collate([example(1)]).tensors
    module.policy.tokenizer.chat_template = None
    module._encoded.clear()
    without = module.collate([example(1)]).tensors
    assert with_template["ids"][with_template["supervised"]].tolist() == without["ids"][without["supervised"]].tolist()
    assert with_template["supervised"].sum() == len(module.policy.response_ids(example(1).response))
    assert with_template["supervised"].tolist() != without["supervised"].tolist()  # the prompts do differ


def test_a_long_example_keeps_the_end_of_its_prompt(tiny_qwen_dir, example):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), max_length=12)
    module.configure_model()
    e = example(1, answer="x", response="yes")
    prompt, response = module._encode(e)
    assert len(prompt) + len(response) == 12
    assert module.policy.prompt_ids(e.messages)[-len(prompt) :] == prompt
    assert response == module.policy.response_ids("yes")


def test_one_step_of_two_micro_batches_equals_one_batch(tiny_qwen_dir, example, make_trainer, make_data):
    examples = [example(i, answer="word " * (1 + 3 * i)) for i in range(4)]  # micro-batches of unequal token counts

    def gradients(batch_size, accumulate):
        class Recorded(SFT):
            def on_before_optimizer_step(self, optimizer):
                super().on_before_optimizer_step(optimizer)
                self.seen = [p.grad.clone() for p in self.parameters()]

        module = Recorded(PolicySettings(path=str(tiny_qwen_dir)))
        make_trainer(max_steps=1, accumulate_grad_batches=accumulate).fit(module, make_data(examples, batch_size=batch_size))
        return module.seen

    for whole, cut in zip(gradients(4, 1), gradients(2, 2), strict=True):
        torch.testing.assert_close(whole, cut, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4, dropout=0.1)])
def test_it_learns_and_reports_held_out_scores(tiny_qwen_dir, example, vowels, make_trainer, make_data, adapter):
    examples = [example(i, question=f"Question {i}?", answer="amlodipine") for i in range(8)]
    policy = PolicySettings(path=str(tiny_qwen_dir), adapter=adapter)
    module = SFT(policy, {"domain": vowels(), "safety": vowels()}, OptimizerSettings(learning_rate=1e-2), max_new_tokens=8)
    trainer = make_trainer(max_epochs=15, gradient_clip_val=1.0)
    trainer.fit(module, make_data(examples, examples, batch_size=8))
    metrics = trainer.callback_metrics
    assert metrics["train/loss"] < 2.5
    assert 0 <= metrics["validation/domain"] <= 1
    assert metrics["validation/loss/domain"] == metrics["validation/loss"]
    assert "validation/safety" not in metrics  # no example is judged on it
    assert module.model.training


def test_the_validation_loss_weights_tokens_equally(tiny_qwen_dir, example, make_trainer, make_data):
    examples = [example(i, answer="word " * (1 + 5 * i)) for i in range(3)]
    losses = []
    for batch_size in (1, 3):
        trainer = make_trainer()
        losses.append(trainer.validate(SFT(PolicySettings(path=str(tiny_qwen_dir))), make_data([], examples, batch_size), verbose=False))
    assert losses[0][0]["validation/loss"] == pytest.approx(losses[1][0]["validation/loss"], rel=1e-5)


def test_test_and_predict(tiny_qwen_dir, example, vowels, make_trainer, make_data):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, max_new_tokens=5)
    data = make_data([], [example(i, question=f"Question {i}?") for i in range(3)], batch_size=2)
    trainer = make_trainer()
    (metrics,) = trainer.test(module, data, verbose=False)
    assert metrics["test/domain"] == pytest.approx(module.scores["score"].mean(), abs=1e-6)
    (first, second) = trainer.predict(module, data)
    assert [row["example_id"] for row in first + second] == ["e0000", "e0001", "e0002"]
    assert [row["completion"] for row in first + second] == module.scores["completion"].tolist()


def test_a_checkpoint_holds_plain_data_and_resumes(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    examples = [example(i) for i in range(4)]
    settings = OptimizerSettings(learning_rate=1e-2, schedule="linear")
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, settings)
    trainer = make_trainer(max_steps=2)
    trainer.fit(module, make_data(examples))
    trainer.save_checkpoint(tmp_path / "c.ckpt")
    saved = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert saved["hyper_parameters"]["policy"]["path"] == str(tiny_qwen_dir)
    assert saved["hyper_parameters"]["capabilities"]["domain"]["metric"]["init_args"] == {"letters": "aeiou"}
    again = SFT(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, settings)
    make_trainer(max_steps=2).fit(again, make_data(examples), ckpt_path=tmp_path / "c.ckpt", weights_only=True)
    for a, b in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_schedule_without_end_is_refused(tiny_qwen_dir, example, make_trainer, make_data):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), optimizer=OptimizerSettings(schedule="cosine"))
    with pytest.raises(InputError, match="needs an end"):
        make_trainer(max_epochs=-1).fit(module, make_data([example(1)]))


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=2)], ids=["full", "lora"])
def test_packed_examples_do_not_see_each_other(tiny_dir, example, adapter):
    """Loss, its parts per example and the gradient equal those of the unpacked rows, in two architectures."""
    examples = [example(i, question="Why? " * (1 + i % 3), answer="word " * (1 + 2 * i)) for i in range(6)]
    seen = {}
    for packing in (False, True):
        torch.manual_seed(0)
        module = SFT(PolicySettings(path=str(tiny_dir), adapter=adapter), max_length=90, packing=packing)
        module.configure_model()
        module.model.eval()
        batch = module.collate(examples)
        loss, tokens = module._negative_log_likelihood(batch)
        loss.backward()
        per_example = module._per_example(batch, module._logprobs(batch)).detach()
        gradient = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        seen[packing] = loss.detach(), tokens, per_example, gradient, len(batch.tensors["ids"])
    assert seen[True][4] < seen[False][4] == 6
    assert seen[True][1] == seen[False][1]
    for packed, plain in zip(seen[True][2:4], seen[False][2:4], strict=True):
        torch.testing.assert_close(packed, plain, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(seen[True][0], seen[False][0], rtol=1e-5, atol=0)


def test_a_run_with_packing_equals_one_without(tiny_qwen_dir, example, vowels, make_trainer, make_data):
    examples = [example(i, answer="word " * (1 + i % 4), capabilities=["domain"] if i % 2 else ["safety"]) for i in range(8)]
    metrics = []
    for packing in (False, True):
        policy, capabilities = PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels(), "safety": vowels()}
        module = SFT(policy, capabilities, OptimizerSettings(learning_rate=1e-3), packing=packing, max_new_tokens=4)
        trainer = make_trainer(max_steps=3)
        trainer.fit(module, make_data(examples, examples, batch_size=4))
        metrics.append({name: float(value) for name, value in trainer.callback_metrics.items() if "loss" in name})
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-3)
    assert {"validation/loss", "validation/loss/domain", "validation/loss/safety"} <= set(metrics[0])


def test_a_model_that_cannot_pack_is_refused_before_training(tiny_qwen_dir, example, make_trainer, make_data, monkeypatch):
    monkeypatch.setattr("bbflow.modules.sft.isolates_packed_sequences", lambda model: False)
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), packing=True)
    with pytest.raises(InputError, match="read each other"):
        make_trainer(max_steps=1).fit(module, make_data([example(1)]))


def test_a_checkpoint_of_another_policy_or_adapter_is_refused_in_one_line(
    tiny_qwen_dir, tiny_gpt2_dir, example, make_trainer, make_data, tmp_path
):
    trainer, checkpoint = make_trainer(max_steps=1), tmp_path / "one.ckpt"
    trainer.fit(SFT(PolicySettings(path=str(tiny_qwen_dir))), make_data([example(i) for i in range(4)]))
    trainer.save_checkpoint(checkpoint)
    for other in (PolicySettings(path=str(tiny_gpt2_dir)), PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2))):
        with pytest.raises(InputError) as caught:
            make_trainer(max_steps=2).fit(SFT(other), make_data([example(i) for i in range(4)]), ckpt_path=str(checkpoint))
        [problem] = caught.value.problems
        assert problem.where == "--ckpt_path"
        assert problem.what.startswith("the weights of the checkpoint do not fit the recipe's model: Missing key(s)")


def test_a_length_beyond_the_model_is_cut_to_what_it_reads(tiny_gpt2_dir, example, make_trainer, make_data):
    module = SFT(PolicySettings(path=str(tiny_gpt2_dir)), max_length=1000)
    long = example(0, question="word " * 2000)
    with pytest.warns(UserWarning, match="max_length is 1000, and the model reads 256 tokens: longer examples are cut there"):
        make_trainer(max_steps=1).fit(module, make_data([long, example(1)], batch_size=2))
    assert module.collate([long]).tensors["ids"].shape == (1, 256)
