import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.reporting.charts.axes import nice_ticks
from bbflow.reporting.charts.heat_map import heat_map, matrix
from bbflow.reporting.charts.line_chart import Line, line_chart, smoothed
from bbflow.reporting.charts.score_bars import Bar, score_bars
from bbflow.reporting.charts.svg import el, join

numbers = st.floats(-1e4, 1e4)


def parsed(markup):
    return ElementTree.fromstring(markup)


def test_text_and_attributes_are_escaped():
    assert el("p", "<b>", title='"&') == '<p title="&quot;&amp;">&lt;b&gt;</p>'
    assert join("<", el("br"), None) == "&lt;<br/>"


@given(numbers, numbers)
def test_ticks_enclose_the_range_evenly(a, b):
    low, high = sorted((a, b))
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * max(step, 1)
    assert ticks[-1] >= high - 1e-6 * max(step, 1)
    assert 2 <= len(ticks) <= 7
    assert all(math.isclose(later - earlier, step, rel_tol=1e-6) for earlier, later in pairwise(ticks))


def test_bars_are_as_long_as_their_scores():
    svg = parsed(score_bars("domain", [Bar("before", 0.5, (0.4, 0.6)), Bar("after", 1.0)], {"constant": 0.2, "options_only": 0.3}))
    widths = [float(rect.get("width")) for rect in svg.iter("rect")]
    assert math.isclose(widths[1], 2 * widths[0])
    texts = [text.text for text in svg.iter("text")]
    assert "best null model: options only 0.30" in texts
    assert "before 0.500; after 1.000; constant 0.200; options_only 0.300" in svg.find("title").text


def test_lines_leave_missing_points_out():
    svg = parsed(line_chart("x", [Line("reward", [0, 1, 2], [0.0, math.nan, 1.0])], limits=(0.0, 1.0)))
    points = [tuple(map(float, p.split(","))) for p in svg.find("polyline").get("points").split()]
    assert len(points) == 2
    assert points[0][1] > points[1][1]  # 1 is above 0


def test_heat_map_shows_sign_strength_and_gaps():
    svg = parsed(heat_map("cosines", {"a~b": [-1.0, 0.0, math.nan, 1.0], "a~c": [0.5, 0.5, 0.5, math.nan]}, [0, 10, 20, 30]))
    fills = [rect.get("fill") for rect in svg.iter("rect")]
    assert fills[:4] == ["#d55e00", "#ffffff", "#e3e6ea", "#0072b2"]
    assert len(fills) == 8 + 6  # cells and legend
    assert svg.find("title").text == "cosines: at the end a~b +1.00; a~c none"
    many = parsed(heat_map("cosines", {"a~b": [0.0] * 999 + [1.0]}, list(range(1000))))
    fills = [rect.get("fill") for rect in many.iter("rect")][:-6]
    assert len(fills) == 40
    assert fills[-1] == "#0072b2"  # the last step is always among those drawn
    assert "no data" in heat_map("cosines", {}, [])


def test_a_matrix_shows_every_pair_once_with_its_sign():
    svg = parsed(matrix("agreement", ["a", "b", "c"], {("a", "b"): -1.0, ("c", "a"): 1.0}))
    assert [rect.get("fill") for rect in svg.iter("rect")] == ["#d55e00", "#0072b2", "#e3e6ea"]
    assert svg.find("title").text == "agreement: a and b -1.00; a and c +1.00; b and c none"
    texts = [text.text for text in svg.iter("text")]
    assert (texts.count("a"), texts.count("b"), texts.count("c")) == (1, 2, 1)


def test_a_long_legend_goes_on_in_a_new_row():
    lines = [Line(name, [0, 1], [0.0, 1.0]) for name in ("domain", "reasoning", "instruction_following", "safety")]
    svg = parsed(line_chart("x", lines))
    places = {t.text: (float(t.get("x")), float(t.get("y"))) for t in svg.iter("text") if t.text in {line.label for line in lines}}
    assert len({y for _, y in places.values()}) == 2
    assert all(x + 6.2 * len(name) <= 340 for name, (x, _) in places.items())
    assert float(svg.get("viewBox").split()[3]) > max(y for _, y in places.values())


def test_no_data_is_said():
    assert "no data" in line_chart("x", [Line("reward", [], [])])


def test_names_cannot_break_out():
    parsed(line_chart("<script>", [Line("</svg>", [0.0], [1.0])]))
    parsed(score_bars("<script>", [Bar("</svg>", 0.5)], {"<b>": 0.1}))


def test_smoothing_keeps_constants_and_gaps():
    assert smoothed([0.5, math.nan, 0.5])[::2] == pytest.approx([0.5, 0.5])
    assert math.isnan(smoothed([0.5, math.nan])[1])


def test_policies_in_one_place_share_a_label():
    from bbflow.reporting.charts.pareto import pareto_chart

    chart = pareto_chart("runs", ["one", "two", "worse"], [{"a": 0.5, "b": 0.4}, {"a": 0.5, "b": 0.4}, {"a": 0.4, "b": 0.4}])
    assert "one, two 0.450, 0.400, on the front; " in chart or "one, two 0.450, 0.400, on the front<" in chart
    assert chart.count("<circle") == 2


def test_the_ends_of_an_axis_leave_room_for_its_name() -> None:
    said = line_chart("x", [Line("reward", [0.1041047, 0.4515447], [0.0, 1.0])], x_label="KL")
    assert ">0.104<" in said
    assert ">0.452<" in said
    assert ">123456<" in line_chart("x", [Line("reward", [0, 123456], [0.0, 1.0])])
