import math

import pytest
import torch

from bbflow.optimization.update_geometry import UpdateGeometry, cosines, harmed


def test_geometry_refuses_shapes_that_do_not_belong_together():
    fine = {"names": ("a", "b"), "gramian_KK": torch.eye(2), "preferences_K": torch.ones(2), "weights_K": torch.ones(2), "mode": "factored"}
    assert UpdateGeometry(**fine).names == ("a", "b")
    for key, value in {
        "gramian_KK": torch.eye(3),
        "cross_KK": torch.eye(1),
        "weights_K": torch.ones(3),
        "applied_K": torch.ones(1),
    }.items():
        with pytest.raises(ValueError, match=f"{key} of shape"):
            UpdateGeometry(**fine | {key: value})


def test_a_row_of_zeros_has_no_cosine_and_is_not_harmed():
    gramian = torch.tensor([[4.0, 0.0, -2.0], [0.0, 0.0, 0.0], [-2.0, 0.0, 4.0]])
    found = cosines(gramian)
    assert found[0, 2] == -0.5
    assert math.isnan(found[0, 1])
    assert math.isnan(found[1, 1])
    assert harmed(gramian, torch.tensor([1.0, 5.0, 3.0])).tolist() == [True, False, False]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_harm_is_judged_relative_to_the_lengths(scale):
    for short, expected in ((-1e-3, True), (-1e-11, False)):  # cosine beyond rounding, and within it
        gramian = torch.tensor([[1.0, short], [short, 1.0]], dtype=torch.float64) * scale
        assert harmed(gramian, torch.tensor([0.0, 1.0])).tolist() == [expected, False]
