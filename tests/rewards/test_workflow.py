"""Workflow steps in order."""

from hypothesis import given
from hypothesis import strategies as st
from reward_samples import scored

from bbflow.rewards import WorkflowSteps
from bbflow.testing import WORKFLOW


@given(st.permutations(WORKFLOW.workflow))
def test_any_order_but_the_right_one_costs(order: list[str]) -> None:
    value = scored(WorkflowSteps(), WORKFLOW, ", ".join(order))
    assert (value == 1.0) == (order == WORKFLOW.workflow)
    assert scored(WorkflowSteps(whole=True), WORKFLOW, ", ".join(order)) == float(order == WORKFLOW.workflow)
