"""Rule files and global map files: what they do to words, and what they refuse."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring import glm
from speech_experiment_projections.scoring.profiles import Profile
from speech_experiment_projections.scoring.rules import Rewriter, Rules, WordRule, from_toml

from .tools import SCTK, needs_sctk

HEAD = (
    "* name \"test\"\n* format = 'NIST1'\n* max_nrules = '100'\n* copy_no_hit = 'T'\n* case_sensitive = 'F'\n"
)
AROUND = " / [ ] __ [ ]"


def written(text: str, rules: Rules) -> str:
    return " ".join(map(str, Rewriter(rules)(text)))


def test_a_rule_file_in_full() -> None:
    rules = from_toml(
        'name = "centre"\nversion = 2\n[characters]\n"ё" = "е"\n[words]\n"colour" = "color"\n"per cent" = "percent"\n'
        '"per" = "each"\n"uh" = ""\n"gonna" = ["gonna", "going to"]\n',
        "mine.toml",
    )
    assert (rules.name, rules.version) == ("centre", 2)
    assert written("uh colour per cent per ёлка", rules) == "color percent each елка"
    profile = Profile(name="mine", rules=rules)
    one, other = profile.prepare("I'm gonna go"), profile.prepare("I'm going to go")
    assert profile.count([one], [other]).tolist() == [[4, 0, 0, 0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", r"mine.toml: not a TOML rule file: Invalid value \(at (line 1|end of document)"),
        ("[words]\n", "mine.toml: name: missing"),
        ('name = "x"\n[replace]\n', "mine.toml: replace: no such field; a rule file has characters, name"),
        ('name = "x"\nwords = 3\n', r"mine.toml: words: write a table, \[words\]"),
        ('name = "x"\n[words]\n"a" = 3\n', "mine.toml: Expected `array`|mine.toml: .*words"),
        ('name = "x"\n[words]\n" " = "b"\n', "mine.toml: .*without a word"),
        ('name = "x"\n[words]\n"a" = []\n', 'mine.toml: .*write "" to take it away'),
        ('name = "x"\n[characters]\n"ab" = "c"\n', "mine.toml: .*'ab' is not one character"),
    ],
)
def test_a_wrong_rule_file_says_where(content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_toml(content, "mine.toml")


def test_the_longest_rule_is_taken_or_the_first() -> None:
    words = (WordRule("a", ("x",)), WordRule("a b", ("y",)), WordRule("x", ("z",)))
    assert written("a b a", Rules(name="r", words=words)) == "y x"
    assert written("a b a", Rules(name="r", words=words, priority="first")) == "x b x"


def test_global_maps() -> None:
    lines = (
        HEAD
        + f";; remarks\n[UH] => [%HESITATION]{AROUND} ;; why\nI'M => {{I'M / I AM / @}}{AROUND}\n[X] => []{AROUND}\n"
        f"[HA] => [(%HESITATION)]{AROUND}\n"
    )
    rules = glm.read(lines.splitlines(), "en.glm")
    assert rules.name == "test"
    assert [*rules.words] == [
        ("uh", ("%hesitation",)),
        ("i'm", ("i'm", "i am", "")),
        ("x", ("",)),
        ("ha", ("%hesitation", "")),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[A] => [B]", "en.glm:6: only rules for whole words"),
        ("[A] => [B] / [Z ] __ [ ]", "en.glm:6: only rules for whole words"),
        ("[A] -> [B]", "en.glm:6: not a rule"),
        ("* format = 'NIST2'", "en.glm:6: format = 'NIST2' is not supported, only 'NIST1'"),
        ("* copy_no_hit = 'F'", "en.glm:6: copy_no_hit"),
        ("* colour = 'F'", "en.glm:6: .*unknown setting"),
        ("[A] => {B / {C / D}} / [ ] __ [ ]", "en.glm:6: a choice within a choice"),
        (';; INPUT_DEPENDENT_APPLICATION = "stm"', "en.glm:6: rules for some kinds of input"),
        ("", "en.glm: no rule found"),
    ],
)
def test_what_a_global_map_cannot_say_is_refused(lines: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        glm.read((HEAD + lines).splitlines(), "en.glm")


@needs_sctk
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
            st.lists(st.sampled_from("abx"), max_size=2),
        ),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=8), min_size=1, max_size=5),
)
def test_global_maps_do_what_rfilter1_does(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[list[str], list[str]]], texts: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("glm") / "en.glm"
    rules = "".join(f"[{' '.join(source)}] => [{' '.join(target)}]{AROUND}\n" for source, target in pairs)
    path.write_text(HEAD + rules)
    given_lines = "".join(f" {' '.join(words)} \n" for words in texts)
    theirs = subprocess.run(
        [SCTK / "rfilter1", path], input=given_lines, capture_output=True, text=True, check=True
    ).stdout
    ours = glm.read(path.read_text().splitlines(), str(path))
    assert [line.split() for line in theirs.splitlines()] == [
        written(" ".join(words), ours).split() for words in texts
    ]
