"""Tables of four kinds: read row by row, and every slip named with its row, before any work."""

from __future__ import annotations

import itertools
import tracemalloc
import unicodedata

import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.batches.rows.runs import Runs, task_call
from kandi_nb.pictures.reading.rows import rows
from kandi_nb.words.errors import KandiError


@pytest.fixture
def table(tmp_path):
    """Write a table and return the runs in it, for the task of a name."""

    def write(name, text, task="generate", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Runs(path, task_call(task), **options)

    return write


SAME = {
    "prompts.csv": 'prompt,steps,guidance\na red fox,5,2.5\n"a cat, sleeping",,\n',
    "excel.csv": "\ufeffprompt;steps;guidance\r\na red fox;5;2.5\r\na cat, sleeping;;\r\n",
    "prompts.tsv": "prompt\tsteps\tguidance\na red fox\t5\t2.5\na cat, sleeping\n",
    "old.csv": 'prompt,steps,guidance\ra red fox,5,2.5\r"a cat, sleeping",,\r',
    "german.csv": "\ufeffsep=;\r\n\r\n;;;;\r\nprompt;steps;guidance;;\r\n"
    "a red fox;5;2,5;;\r\n;;;;\r\n;;\r\na cat, sleeping;;;;\r\n;;;;\r\n",
    "left.csv": '\n,prompt,,steps,guidance\n,a red fox,,5,2.5\n,"a cat, sleeping",,,\n',
    "prompts.jsonl": '{"prompt": "a red fox", "steps": 5, "guidance": 2.5}\n\n'
    '"a cat, sleeping"\n',
    "prompts.yaml": "- prompt: a red fox\n  steps: 5\n  guidance: 2.5\n- a cat, sleeping\n",
}


@pytest.mark.parametrize("name", SAME)
def test_each_kind_of_table_says_the_same(table, name):
    runs = table(name, SAME[name])
    assert runs.check() == 2
    assert [run.params for run in runs] == [
        kn.Params("a red fox", steps=5, guidance=2.5),
        kn.Params("a cat, sleeping"),
    ]
    assert [run.params for run in runs] == [run.params for run in runs], "it can be read again"


def test_a_text_file_is_a_prompt_a_line(table):
    runs = table(
        "prompts.txt", "a fox\n\n  eine Füchsin \r\n狐狸\n", defaults=kn.Params(steps=9)
    )
    assert [run.params.prompt for run in runs] == ["a fox", "eine Füchsin", "狐狸"]
    assert {run.params.steps for run in runs} == {9}, "what no column says is the default"
    assert [run.row for run in runs] == [1, 3, 4], "numbered by line"


def test_rows_are_counted_as_spreadsheets_count(table):
    runs = table("t.csv", 'prompt,seed\n"two\nlines",1\nb,2\n')
    assert [(run.row, run.params.seed) for run in runs] == [(2, 1), (4, 2)]


def test_templates_stand_in_every_text_column(table):
    text = "prompt,negative\na {red|blue} fox,{snow|rain}\na cat,{snow|}\n{a},\n"
    runs = table("t.csv", text.replace("{a}", r"\{a\}"))
    assert runs.check() == 7
    assert [(run.params.prompt, run.params.negative) for run in runs] == [
        ("a red fox", "snow"),
        ("a red fox", "rain"),
        ("a blue fox", "snow"),
        ("a blue fox", "rain"),
        ("a cat", "snow"),
        ("a cat", ""),
        ("{a}", None),
    ]
    few = table("t.csv", text.replace("{a}", "b"), sample=3)
    assert few.check() == len({(r.params.prompt, r.params.negative) for r in few}) == 6
    many = table("t.txt", "{a|b|c|d}" * 20, sample=5)
    assert many.check() == 5


@pytest.mark.parametrize("typed", ["{}", '"{}"', "“{}”", "'{}'", r".\{}", "./{}"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_paths_are_found_as_other_programs_and_systems_write_them(table, tmp_path, typed, form):
    name = "Füchsin 1.png"
    Image.new("RGB", (64, 64)).save(tmp_path / unicodedata.normalize(form, name))
    cell = typed.format(name).replace('"', '""')
    runs = table("t.csv", f'prompt,image\nx,"{cell}"\n', task="edit")
    assert runs.check() == 1
    (run,) = runs
    assert run.inputs["image"] == str(tmp_path / unicodedata.normalize(form, name))


def test_templates_counts_and_samples_multiply(table):
    text = "prompt,count\na {red|blue} {cat|dog},2\na fox,1\n"
    assert table("t.csv", text).check() == 9
    assert len(list(table("t.csv", text))) == 9
    few = table("t.csv", text, sample=3)
    assert few.check() == len(list(few)) == 7
    assert {run.params.count for run in few} == {1}


def test_pictures_are_found_beside_the_table(table, tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "fox.png")
    monkeypatch.chdir("/")
    runs = table("t.csv", "prompt,image,strength\nx,fox.png,0.5\n", task="edit")
    assert runs.check() == 1
    (run,) = runs
    assert run.inputs == {"image": str(tmp_path / "fox.png")} and run.params.strength == 0.5


def rows_of(text):
    return "".join(f"prompt number {n}\n" for n in range(1, 57)) + text


BAD = {
    "unknown column": ("t.csv", "promt,steps\na,1\n", "did you mean prompt?"),
    "a name from elsewhere": ("t.csv", "prompt,num_inference_steps\na,1\n", "mean steps?"),
    "empty prompt": (
        "t.csv",
        "prompt\n" + "x\n" * 55 + '""\n',
        "row 57: prompt is empty",
    ),
    "no prompt": ("t.jsonl", '{"steps": 5}\n', "row 1: generate needs a prompt"),
    "null prompt": ("t.jsonl", '{"prompt": null}\n', "row 1: generate needs a prompt"),
    "no number": (
        "t.csv",
        "prompt,steps\na,5\nb,many\n",
        "row 3: steps must be a whole",
    ),
    "out of range": ("t.yaml", "- {prompt: a, steps: 0}\n", "row 1: steps must be from 1"),
    "Latin-1": (
        "t.csv",
        "prompt\na\nF\xfcchsin\n".encode("latin1"),
        "row 3: this is not",
    ),
    "UTF-16": ("t.csv", "prompt\na\n".encode("utf-16"), "row 1: this is not UTF-8"),
    "no rows": ("t.csv", "prompt,steps\n", "has no rows"),
    "nothing": ("t.txt", "\n\n", "has no rows"),
    "empty YAML": ("t.yaml", "# nothing yet\n", "has no rows"),
    "YAML that is code": (
        "t.yaml",
        "- prompt: !!python/object/apply:os.system ['true']\n",
        "row 1: this YAML is refused",
    ),
    "a YAML list that is code": (
        "t.yaml",
        "!!python/object/apply:os.system ['true']\n",
        "row 1: this YAML is refused",
    ),
    "a YAML number that is none": (
        "t.yaml",
        "- {prompt: a, steps: !!int '1_0'}\n",
        "row 1: this YAML is refused (1_0 is no decimal number)",
    ),
    "two YAML documents": ("t.yaml", "- a\n---\n- b\n", "row 1: another YAML document"),
    "a YAML key twice": (
        "t.yaml",
        "- a\n- {prompt: a, seed: 1, seed: 2}\n",
        "row 2: 'seed' stands there twice",
    ),
    "a JSON key twice": (
        "t.jsonl",
        '{"prompt": "a", "prompt": "b"}\n',
        "row 1: 'prompt' stands there twice",
    ),
    "a NUL in YAML": ("t.yaml", "- a\n- b\0\n", "this YAML is refused"),
    "an empty way": ("t.txt", "a fox\n{a cat|}\n", "row 2: one way of '{a cat|}' is an empty"),
    "an empty way inside": ("t.txt", "{{a| }|b}\n", "row 1: one way of"),
    "too many ways": (
        "t.txt",
        "a\n" + "{a|b|c|d}" * 20 + "\n",
        "1,099,511,627,776 texts; take some of them",
    ),
    "more ways than digits": ("t.txt", "{a|b}" * 17000, "more than 10^5117 texts"),
    "three thousand braces": ("t.txt", "{" * 3000, "more than 50 deep inside each other"),
    "thousands": ("t.csv", 'prompt,guidance\na,"4,125"\n', "4,125 may be 4125 or a fraction"),
    "an endless cell": ("t.csv", "x" * 2**20 + "\n", "row 1: a cell has more than 131,072"),
    "a line without end": ("t.txt", "x" * (2**24 + 2**16 + 1), "row 1: this line has no end"),
    "a column without a name": (
        "t.csv",
        ",prompt\n0,a\n",
        "row 2: '0' stands in a column without a name",
    ),
    "YAML that is nested": ("t.yaml", "- prompt: [a, b]\n", "row 1: 'prompt' is a list"),
    "YAML that is no list": ("t.yaml", "prompt: a\n", "are lists"),
    "broken YAML": ("t.yaml", "- prompt: a\n- {prompt: b\n", "row 2: this YAML is refused"),
    "broken JSON": ("t.jsonl", '{"prompt": "a"}\n{"prompt": \n', "row 2: this is no JSON"),
    "JSON that is no row": ("t.jsonl", "[1]\n", "row 1: a row is column: value, not a list"),
    "no end": (
        "t.txt",
        "a {red|blue} cat\na {red|blue cat\n",
        "row 2: { at letter 3 has no end",
    ),
    "too many cells": ("t.csv", "prompt,steps\na, b,5\n", "row 2: 3 cells below 2 columns"),
    "a column twice": ("t.csv", "prompt,prompt\na,b\n", "stands there twice"),
    "an open quote": ("t.csv", 'prompt\n"a\n', "row 2"),
    "a kind that is none": ("t.xlsx", "x", "known: .csv, .tsv, .jsonl"),
    "a YAML date": ("t.yaml", "- prompt: 2024-01-01\n", "row 1: 'prompt' is a date"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_slip_is_named_with_its_row_and_remedy(table, what):
    name, text, says = BAD[what]
    with pytest.raises(KandiError) as error:
        table(name, text).check()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["010", "1:30", "1_0", "0x10", "0o7", "0b1", "1:30.5"])
def test_only_decimals_are_numbers_in_yaml(table, text):
    (run,) = table("t.yaml", f"- prompt: {text}\n")
    assert run.params.prompt == text
    with pytest.raises(KandiError, match="row 1: steps must be a whole number") as error:
        table("t.yaml", f"- {{prompt: a, steps: {text}}}\n").check()
    assert text in str(error.value)


def test_yaml_reads_the_decimals_that_csv_reads(table):
    (run,) = table("t.yaml", "- {prompt: a, steps: 10, seed: 010, guidance: 2.5e0}\n")
    assert run.params == kn.Params("a", steps=10, seed=10, guidance=2.5)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("x,,\n", "row 2: inpaint needs image; give a column image"),
        ("x,none.png,m.png\n", "none.png does not exist"),
        ("x,t.csv,m.png\n", "t.csv is no picture that can be read"),
        ("x,fox.png,m.png\n", "pictures of one row have one size"),
    ],
)
def test_a_picture_that_is_not_there_is_named_before_anything_runs(
    table, tmp_path, cells, says
):
    Image.new("RGB", (64, 64)).save(tmp_path / "fox.png")
    Image.new("L", (32, 64)).save(tmp_path / "m.png")
    with pytest.raises(KandiError, match=r"t.csv, row 2") as error:
        table("t.csv", f"prompt,image,mask\n{cells}", task="inpaint").check()
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ("a red fox", "names a table, such as prompts.csv"),
        ("nowhere.csv", "nowhere.csv cannot be read"),
        ([], "has no rows"),
        ([7], "run 1: a run is Params or a dict"),
        ([kn.Params("a"), kn.Params()], "run 2: generate needs a prompt"),
        ([{"prompt": "a", "widht": 64}], "did you mean width?"),
        (7, "runs is Params, a list of them"),
    ],
)
def test_runs_that_are_none_are_refused(runs, says):
    with pytest.raises(KandiError) as error:
        Runs(runs, task_call("generate")).check()
    assert says in str(error.value)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "yaml", "txt"])
def test_a_long_table_takes_no_more_memory_than_a_short_one(tmp_path, ending):
    def peak(count):
        path = tmp_path / f"{count}.{ending}"
        form = {"csv": "{}\n", "txt": "{}\n", "yaml": "- {}\n", "jsonl": '"{}"\n'}[ending]
        head = "prompt\n" if ending == "csv" else ""
        path.write_text(head + "".join(form.format(f"fox {n}") for n in range(count)))
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows(path)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is imported on the way counts for none
    assert peak(3000) < peak(100) + 100_000


def test_looking_ahead_reads_no_further_than_it_must(tmp_path):
    endless = ("- a fox\n" for _ in itertools.count())
    from kandi_nb.pictures.reading.rows import _yaml

    entries = _yaml(tmp_path, enumerate(endless, start=1))
    assert [number for number, _ in itertools.islice(entries, 3)] == [1, 2, 3]
