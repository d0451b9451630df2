"""One description of a loaded model: whatever makes a second one from it has the same."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

import kandi_nb as kn
from kandi_nb.model.adapters.adapter import Adapter
from kandi_nb.model.adapters.layouts import LowRank
from kandi_nb.model.loading.description import Description
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a red fox", steps=2, prior_steps=2, width=64, height=64)
pytestmark = pytest.mark.filterwarnings("ignore::kandi_nb.KandiWarning")


@pytest.fixture(scope="module")
def k(tiny_folder):
    """A model that was given everything: what it has shows in options, plan and speed."""
    plain = kn.load(tiny_folder, device="cpu")
    place, layer = next(
        (n, m) for n, m in plain.decoder.unet.named_modules() if n.endswith("to_q")
    )
    pair = LowRank(torch.ones(2, layer.in_features), torch.ones(layer.out_features, 2))
    hat = Adapter("hat", {"decoder": {place: pair}})
    given = {"dtype": "bfloat16", "scheduler": "dpm++", "memory": "prior-first"}
    return kn.load(tiny_folder, device="cpu", adapter={hat: 0.5}, **given)


def facts(k):
    return k.spec.key, k.options, str(k.memory), k.speed, k.scheduler, k.device


def test_it_loads_the_same_model_by_itself_by_pickle_and_by_json(k, tiny_folder, tmp_path):
    described = Description.of(k)
    assert facts(described.load()) == facts(k)
    assert pickle.loads(pickle.dumps(described)).pack(tmp_path) == described.pack(tmp_path)
    again = Description.unpack(json.loads(json.dumps(described.pack(tmp_path))))
    assert facts(again.load()) == facts(k)
    traced = kn.load(tiny_folder, device="cpu", speed="traced")
    assert facts(Description.of(traced).load()) == facts(traced)
    assert again.load(dtype="float32").options == k.options | {"dtype": "float32"}


def test_folders_and_names_are_found_again(tiny_folder, tiny3_folder):
    for folder in (tiny_folder, tiny_folder / "kandinsky-2-2-decoder", tiny3_folder):
        k = kn.load(folder, device="cpu")
        assert Description.of(k).load().spec == k.spec
    assert Description.of("mini-2.2").model == "mini-2.2"
    with pytest.raises(KandiError, match="unknown"):
        Description.of("mini-9")


def test_a_process_of_bench_has_the_same(k):
    (row,) = kn.bench(kn.generate, k, QUICK, repeats=1, threads=[1])
    assert (row["options"], row["plan"]) == (k.options, str(k.memory))


def test_a_worker_has_the_same(k):
    from kandi_nb.drivers.batches.batch import _source

    source = pickle.loads(pickle.dumps(_source(k, None)))  # as processes and Ray get it
    assert facts(source.open()) == facts(k)


def test_a_service_loads_the_same_anew(k):
    from kandi_nb.drivers.service.serving import loader

    give = loader(k)
    assert give() is k
    assert facts(give()) == facts(k) == facts(give())


def test_the_studio_compares_it_as_it_is(k, monkeypatch):
    from kandi_nb.drivers.studio import compare

    seen = []

    def versus(params, models, task, **options):
        seen.append((models, options))
        raise KandiError("enough")

    monkeypatch.setattr(compare, "versus", versus)
    with pytest.raises(KandiError, match="enough"):
        compare.comparison(["mini-2.1"])(k, QUICK)
    ((models, options),) = seen
    assert models[0] is k and (options["device"], options["dtype"]) == ("cpu", torch.bfloat16)


def test_options_and_plans_are_known_for_a_model_from_a_folder(k, tiny_folder):
    only = ["attention slicing"]
    assert kn.options(k, only).rows == kn.options("mini-2.2", only).rows
    assert kn.plan(k, memory_gb=8).rows == kn.plan(tiny_folder, memory_gb=8).rows


LOADING = ["model", "device", "dtype", "memory", "scheduler", "speed", "adapter"]
COMMANDS = {
    **{c: ["x"] for c in ("draw", "mix", "teach", "batch", "versus")},
    **{c: ["x", "y"] for c in ("edit", "outpaint", "upscale", "path")},
    **{"inpaint": ["x", "y", "--box", "1,2,3,4"], "serve": [], "studio": [], "bench": []},
}


def parsed(*words):
    from kandi_nb.cli import parser

    return parser().parse_args(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_loads_a_model_takes_all_that_says_how(command, k, tmp_path):
    from kandi_nb.drivers.commands.options import loaded_as, loading

    (worn,) = k.adapters
    file = worn.adapter.save(tmp_path / "hat.safetensors")
    words = ["--dtype", "bf16", "--memory", "prior-first", "--scheduler", "dpm++"]
    words += ["--device", "cpu", "--adapter", f"{file}:0.5", "--speed", "exact"]
    options = parsed(command, *COMMANDS[command], *words)
    assert not loading(parsed(command, *COMMANDS[command]))
    given = loading(options)
    assert given.keys() == {"dtype", "memory", "scheduler", "device", "adapter"}
    if command != "versus":
        described = loaded_as(options)
        assert described.adapters[0].note() == worn.note()
        assert (described.memory, described.scheduler) == ("prior-first", "dpm++")


def test_what_a_command_says_is_what_is_loaded(k, tiny_folder, tmp_path):
    from kandi_nb.drivers.commands.options import loaded_as, loading
    from kandi_nb.drivers.service.serving import loader

    file = k.adapters[0].adapter.save(tmp_path / "hat.safetensors")
    words = ["--model", str(tiny_folder), "--device", "cpu", "--dtype", "bf16"]
    words += ["--memory", "prior-first", "--scheduler", "dpm++", "--adapter", f"{file}:0.5"]
    options = parsed("serve", *words)
    assert facts(loader(loaded_as(options))()) == facts(k)
    given = loading(parsed("versus", "a fox", *words[2:]))
    compared = kn.versus(QUICK, [str(tiny_folder)], **given)
    (result,) = compared.results.values()
    assert {n: v for n, v in result.options.items() if n != "memory"} == k.options
    assert result.options["memory"] == "prior-first"


def test_the_studios_kernels_load_it_so(tmp_path):
    import nbformat

    from kandi_nb.drivers.commands.services.studio import _anywhere
    from kandi_nb.drivers.studio.server import page, warm_code

    given = {"memory": "auto", "adapter": {"hat.safetensors": 0.5}}
    loading = _anywhere(given)
    assert loading == given | {"adapter": {str(Path.cwd() / "hat.safetensors"): 0.5}}
    parameters = {"MODEL": "mini-2.2", "SERVICE": "", "OUT": None, "LOADING": loading}
    cells = [cell.source for cell in nbformat.read(page(tmp_path, parameters), 4).cells]
    assert f"LOADING = {loading!r}" in cells[1] and "kn.load(MODEL, **LOADING)" in cells[2]
    assert f"**{loading!r}" in warm_code(parameters)
