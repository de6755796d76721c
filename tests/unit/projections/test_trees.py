from __future__ import annotations

import json
from math import inf, nan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_projections.trees import Param, merge, param_at, params
from tests.unit.projections.logs import configs


@given(configs, configs, configs)
def test_merging_is_associative_and_idempotent(a: Any, b: Any, c: Any) -> None:
    assert repr(merge(merge(a, b), c)) == repr(merge(a, merge(b, c))) or _conflict(a, b, c)
    assert repr(merge(a, a)) == repr(a)


def _conflict(*trees: dict[str, Any]) -> bool:
    """Where a key is a dict in one and a leaf in another, the order of merging matters, as it must."""
    keys = [key for tree in trees for key in tree]
    kinds = {key: {isinstance(tree[key], dict) for tree in trees if key in tree} for key in keys}
    nested = [[tree[key] for tree in trees if isinstance(tree.get(key), dict)] for key in keys]
    return any(len(kind) > 1 for kind in kinds.values()) or any(_conflict(*each) for each in nested if each)


@given(configs)
def test_params_are_the_leaves(config: dict[str, Any]) -> None:
    for key, param in params(config).items():
        assert "\0" not in key + (param.txt or "")
        assert param.num is None or param.txt is None


def test_values_become_numbers_or_texts() -> None:
    found = params({"a": {"b": 1, "c": True}, "d": [1, "x"], "e": None, "f": {}, "g": nan, "h": "t"})
    assert found["a.b"] == Param(1.0, None)
    assert found["a.c"] == Param(None, "true")
    assert found["d"] == Param(None, '[1,"x"]')
    assert found["e"] == Param(None, None)
    assert found["f"] == Param(None, "{}")
    assert found["g"].num != found["g"].num
    assert found["h"] == Param(None, "t")


def test_json_has_names_for_what_it_cannot_hold() -> None:
    text = to_json({"a\0": [nan, inf, -inf], "b": {1: "x\0y"}})
    assert json.loads(text) == {"a␀": ["NaN", "Infinity", "-Infinity"], "b": {"1": "x␀y"}}
    assert clean_text("a\0b") == "a␀b"


@given(configs, st.data())
def test_a_param_alone_is_that_of_all_params(config: dict[str, Any], data: st.DataObject) -> None:
    known = params(config)
    key = data.draw(st.sampled_from([*known, "a.b", "a", ""]))
    assert repr(param_at(config, key)) == repr(known.get(key))


def test_keys_with_dots_in_them_are_found_as_they_are_flattened() -> None:
    config = {"a.b": {"c": 1}, "a": {"b": {"c": 2}, "b.c": 3}, "a.b.c": 4, "x\0": {"y": 5}}
    assert all(param_at(config, key) == param for key, param in params(config).items())
