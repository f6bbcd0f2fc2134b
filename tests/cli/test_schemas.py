import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bbflow.cli.commands.init import assets
from bbflow.cli.schemas import SCHEMAS
from bbflow.graph import ClinicalPack
from bbflow.graph.packs import clinical
from bbflow.graph.readers import node_link
from bbflow.records import Example

RECIPES = sorted(p for p in (assets() / "recipes").rglob("*.yaml") if "parts" not in p.parts)


def errors(name, data):
    schema = json.loads((assets() / "schemas" / f"{name}.schema.json").read_text())
    return [f"{e.json_path}: {e.message[:200]}" for e in Draft202012Validator(schema).iter_errors(data)]


@pytest.fixture(scope="module")
def generated():
    """What `bbflow schema` prints, in a process of its own: other tests import classes that are none of bbflow's."""
    code = "import json; from bbflow.cli.schemas import SCHEMAS, schema_text; print(json.dumps({n: schema_text(n) for n in SCHEMAS}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_checked_in_schema_is_what_the_code_generates(name, generated):
    Draft202012Validator.check_schema(json.loads(generated[name]))
    assert (assets() / "schemas" / f"{name}.schema.json").read_text() == generated[name], "run `make schemas`"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(assets())))
def test_every_recipe_fits_the_schema_it_names(path):
    assert errors("recipe", yaml.safe_load(path.read_text())) == []
    named = path.read_text().splitlines()[0].partition("$schema=")[2]
    assert (path.parent / named).resolve() == (assets() / "schemas" / "recipe.schema.json").resolve()


def test_the_recipe_schema_knows_short_names_own_classes_and_interpolation_and_finds_typos():
    recipe = yaml.safe_load((assets() / "recipes" / "grpo.yaml").read_text())
    arguments = recipe["model"]["init_args"]
    arguments["optimizer"]["learning_rate"] = "${vars.rate}"
    arguments["capabilities"] = {"mine": {"metric": {"class_path": "mine.MyReward"}, "rewards": {"a": "CorrectAnswer"}}}
    assert errors("recipe", recipe) == []
    assert errors("recipe", {**recipe, "trainer": {"max_stps": 3}})
    assert errors("recipe", {**recipe, "model": {"class_path": "GRPO", "init_args": {**arguments, "grup": 3}}})
    assert errors("recipe", {**recipe, "data": {**recipe["data"], "init_args": {**recipe["data"]["init_args"], "batch_size": "many"}}})


def test_an_example_fits_its_schema_in_both_forms():
    example = Example(
        example_id="e", task="t", capabilities=["domain"], messages=[{"role": "user", "content": "?"}], response="r", answer="a",
        constraints=[{"type": "max_words", "kwargs": {"n": 3}}], patient={"age": 70, "pregnant": None}, edges=[("d:a", "treats", "x:b")],
    )  # fmt: skip
    assert errors("example", json.loads(json.dumps(example.__dict__))) == []
    assert errors("example", json.loads(json.dumps(example.to_row()))) == []
    assert errors("example", json.loads(json.dumps(replace(example, split="dev").__dict__)))
    assert errors("example", {"example_id": "e"})


def test_the_pack_fits_the_graph_schema_in_both_forms(tmp_path):
    for path in clinical.FOLDER.glob("*.yaml"):
        assert errors("graph", yaml.safe_load(path.read_text())) == []
    node_link.write(ClinicalPack().load(), tmp_path / "g.json")
    graph = json.loads((tmp_path / "g.json").read_text())
    assert errors("graph", graph) == []
    graph["edges"][0]["key"] = "cures"
    assert errors("graph", graph)


def test_the_contracts_fit_their_schema():
    paths = sorted((assets() / "data_contracts").glob("*.yaml"))
    assert paths
    for path in paths:
        assert errors("data_contract", yaml.safe_load(path.read_text())) == []


def test_a_report_fits_its_schema():
    import pandas as pd

    from bbflow.capabilities import Capability
    from bbflow.reporting.run_facts import RunFacts
    from bbflow.reporting.run_report import build_report
    from bbflow.rewards.base import Reward

    class Half(Reward):
        def __call__(self, examples, completions):
            return [0.5] * len(examples)

    columns = {"cluster": ["a", "b"] * 20, "task": "t", "open_book": False, "capability": "domain", "completion": ""}
    before, after = (pd.DataFrame({"example_id": range(40), "score": score, **columns}) for score in ([0.25] * 40, [0.5, 0.75] * 20))
    capabilities = {"domain": Capability(metric=Half(), rewards={"half": Half()})}
    report = build_report(
        before, after, capabilities, RunFacts({"domain": {"constant": 0.1}}, cost={"seconds": 1.0}, provenance={"seed": 1})
    )
    assert errors("report", report) == []
    assert errors("report", {**report, "verdict": "splendid"})


def test_the_schemas_folder_holds_nothing_else():
    assert {p.name for p in Path(assets() / "schemas").iterdir()} == {f"{name}.schema.json" for name in SCHEMAS}
