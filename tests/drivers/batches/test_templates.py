"""Templates: every combination once, in order, however many there are."""

from __future__ import annotations

import pytest

from kandi_nb.drivers.batches.rows.templates import Template
from kandi_nb.words.errors import KandiError


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a cat", ["a cat"]),
        ("a {red|blue} fox", ["a red fox", "a blue fox"]),
        ("{a|b}{c|d}", ["ac", "ad", "bc", "bd"]),
        ("a {very |}big cat", ["a very big cat", "a big cat"]),
        ("a {red|{dark|light} blue} fox", ["a red fox", "a dark blue fox", "a light blue fox"]),
        ("a {|red} fox", ["a fox", "a red fox"]),
        (r"\{a|b\} {c|d\|e}", ["{a|b} c", "{a|b} d|e"]),
        ("a | b  c", ["a | b  c"]),
        (r"C:\temp", [r"C:\temp"]),
    ],
)
def test_all_combinations_the_last_choice_varies_fastest(text, texts):
    template = Template(text)
    assert list(template) == texts and template.count == len(texts)


def test_a_sample_is_part_of_all_and_the_same_each_time():
    template = Template(" ".join(["{a|b|c}"] * 4))
    sample = list(template.sample(10))
    assert len(set(sample)) == 10 and set(sample) <= set(template)
    assert sample == list(Template(template.text).sample(10))
    assert list(template.sample(100)) == list(template)


def test_more_combinations_than_a_machine_counts_are_sampled_at_once():
    template = Template(" ".join(["{a|b|c|d}"] * 60))
    assert template.count == 4**60
    assert len(set(template.sample(5))) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a {red|blue fox", "{ at letter 3 has no end"),
        ("a {red|{dark|light} fox", "{ at letter 3 has no end"),
        ("a {", "has no end"),
        ("a red} fox", "} at letter 6 closes nothing"),
        ("a {red} fox", "'{red}' leaves no choice"),
        ("a {} fox", "leaves no choice"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused_with_its_place(text, says):
    with pytest.raises(KandiError) as error:
        Template(text)
    assert says in str(error.value) and r"\{" in str(error.value), "and how braces are typed"
