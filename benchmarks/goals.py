"""Measure the speed goals of the package against plain diffusers, side by side in one run.

    make bench                          # all goals, bundled model, a few minutes
    make bench ARGS="one --repeats 20"  # one of them, more rounds

Both sides take turns, so other work on the machine meets both. The exit code is 0 whether
goals are met or not: a busy machine is no failure. What misses its goal says where time goes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import teaching

import kandi_nb as kn

# One scene in five languages, as the guides' claim on multilingual prompts has it.
PROMPTS = [
    "a red fox in a snowy forest",
    "красная лиса в снежном лесу",
    "雪林中的红狐狸",
    "ein roter Fuchs im verschneiten Wald",
    "un renard rouge dans une forêt enneigée",
]
SEEDS = [0, 1, 2]

EDITS = ([0.2, 0.4, 0.6, 0.8], range(8))  # strengths, seeds
MASKS = 8
GRID_GOAL = 3.0  # times faster than a loop over pictures
PICTURES_GOAL = 2.5  # times faster than a loop, for tasks that start from pictures
MIXING_GOAL = 4.5  # times faster than one call of both stages for each cell of a grid
MIX_SIDE = 5  # cells of a row, and of a column
FILM = (12, 48)  # frames of a short and a long film …
FILM_SIDE = 512  # … and their side in pixels
FILM_GOAL = 64  # 2²⁰ bytes that the long one may hold beyond the short one
JOINING_GOAL = 0.05  # of the time of an inpainted picture
OVERHEAD_GOAL = 0.02  # of the bare pipelines' time
IMPORT_GOAL = 0.3  # seconds
MEMORY_GOAL = 1.3  # of what a canvas of one window takes, for one of eight
PEAK_GOAL = 1.1  # times the peak memory of the largest model alone
GOALS = ["grid", "one", "import", "edit", "inpaint", "outpaint", "mix", "film", "versus"]
GOALS += ["teach", "adapter"]
GENERATIONS = ["mini-2.1", "mini-2.2", "mini-3"]
LOOP = "a loop over plain pipelines : one call"
PIXEL_GOAL = 2  # of 255: how far a batch may be from single runs
ROWS: list[dict[str, Any]] = []  # what was measured in this process, for the report


class Guide:
    """The guides' way: plain diffusers pipelines, called once for each picture."""

    def __init__(self, model: str, params: kn.Params, size: int) -> None:
        import diffusers

        from kandi_nb.model.find import find
        from kandi_nb.model.quiet import quiet

        _, folders = find(model)
        self.model, self.folders = model, folders
        self.params, self.size = params, size
        self.more: dict[str, Any] = {}
        with quiet():
            self.prior = diffusers.KandinskyV22PriorPipeline.from_pretrained(folders["prior"])
            self.decoder = diffusers.KandinskyV22Pipeline.from_pretrained(folders["decoder"])
        # Two bars a picture would cost the guides' side time that is not the models'.
        self.prior.set_progress_bar_config(disable=True)
        self.decoder.set_progress_bar_config(disable=True)

    def pipeline(self, role: str, name: str) -> Any:
        """Return one more pipeline, loaded when it is first needed."""
        import diffusers

        from kandi_nb.model.quiet import quiet

        if role not in self.more:
            with quiet():
                pipeline = getattr(diffusers, name).from_pretrained(self.folders[role])
            pipeline.set_progress_bar_config(disable=True)
            self.more[role] = pipeline
        return self.more[role]

    def draw(self, prompt: str, seed: int, decoder: Any = None, **more: Any) -> Any:
        import torch

        image_embeds, negative_image_embeds = self.prior(
            prompt,
            num_inference_steps=self.params.prior_steps,
            guidance_scale=self.params.prior_guidance,
            generator=torch.Generator().manual_seed(self.params.prior_seed),
        ).to_tuple()
        return (decoder or self.decoder)(
            image_embeds=image_embeds,
            negative_image_embeds=negative_image_embeds,
            height=self.size,
            width=self.size,
            num_inference_steps=self.params.steps,
            guidance_scale=self.params.guidance,
            generator=torch.Generator().manual_seed(seed),
            **more,
        ).images[0]


def largest_difference(ours: list, theirs: list) -> int:
    """Return the largest difference of any channel of any pixel, of 255."""
    from PIL import ImageChops

    pairs = zip(ours, theirs, strict=True)
    extrema = [ImageChops.difference(a, b).getextrema() for a, b in pairs]
    return max(high for bands in extrema for _, high in bands)


def note(what: str, measured: Any, sides: str, goal: str, met: bool) -> None:
    """Keep a row of two sides that were timed in turns."""
    ROWS.append(
        {
            "what": what,
            "sides": sides,
            "seconds": [statistics.median(measured.a), statistics.median(measured.b)],
            "ratio": measured.ratio,
            "goal": goal,
            "met": met,
        }
    )


def verdict(met: bool) -> str:
    return "goal met" if met else "GOAL MISSED"


@contextmanager
def watched(k: kn.Kandinsky) -> Iterator[dict[str, float]]:
    """Measure the seconds inside each network of a model while the block runs."""
    spent: dict[str, float] = {}
    hooks = []
    networks = {
        "text encoder": k.prior.text_encoder,
        "image encoder": k.prior.image_encoder,
        "prior": k.prior.prior,
        "decoder UNet": k.decoder.unet,
        "MoVQ decoder": k.decoder.movq.decoder,
    }
    for name, network in networks.items():
        began: list[float] = []

        def before(*_: Any, began: list[float] = began) -> None:
            began.append(time.perf_counter())

        def after(*_: Any, began: list[float] = began, name: str = name) -> None:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - began.pop()

        hooks += [network.register_forward_pre_hook(before)]
        hooks += [network.register_forward_hook(after)]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def where_time_goes(k: kn.Kandinsky, run: Callable[[], Any]) -> dict[str, float]:
    """Return the seconds of one run in each network, and in everything else."""
    k.embeddings.clear()
    with watched(k) as spent:
        start = time.perf_counter()
        run()
        total = time.perf_counter() - start
    return {**spent, "everything else": total - sum(spent.values())}


def shares(spent: dict[str, float]) -> str:
    """Return the parts of a whole in words, the largest first."""
    total = sum(spent.values())
    parts = sorted(spent.items(), key=lambda item: -item[1])
    return " · ".join(f"{name} {seconds / total:.0%}" for name, seconds in parts)


def theirs_with(k: kn.Kandinsky, runs: list[kn.Params]) -> Callable[[], None]:
    """Return the guides' loop on the watched model: both stages anew for each picture."""

    def loop() -> None:
        for run in runs:
            k.embeddings.clear()
            kn.generate(k, run, progress=False)

    return loop


def grid(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(a) each language with each seed: one call against a loop over pictures."""
    runs = kn.sweep(params, prompt=PROMPTS, seed=SEEDS)
    made: dict[str, list] = {}

    def ours() -> None:
        k.embeddings.clear()
        made["ours"] = kn.generate(k, runs, progress=False).images

    def theirs() -> None:
        made["theirs"] = [guide.draw(run.prompt, run.seed) for run in runs]

    measured = kn.pair(theirs, ours, repeats)
    apart = largest_difference(made["ours"], made["theirs"])
    what = f"{len(PROMPTS)} languages × {len(SEEDS)} seeds"
    print(f"(a) {what}, guides' loop against generate")
    print(f"    {measured}")
    met = measured.ratio >= GRID_GOAL
    note(what, measured, LOOP, f"at least {GRID_GOAL:g} ×", met)
    print(f"    at least {GRID_GOAL:g} × faster: {verdict(met)}")
    print(f"    pixels at most {apart}/255 apart: {verdict(apart <= PIXEL_GOAL)}")
    if not met:
        batch = where_time_goes(k, ours)
        loop = where_time_goes(k, theirs_with(k, runs))
        print(f"    where the batch's time goes: {shares(batch)}")
        gains = [f"{name} {loop[name] / batch[name]:.1f} ×" for name in batch]
        print(f"    what each part gains by the batch: {' · '.join(gains)}")


def in_one_call(what: str, count: int, theirs: Any, ours: Any, repeats: int) -> float:
    """Measure one call for many pictures against a loop; return seconds a picture of ours."""
    measured = kn.pair(theirs, ours, repeats)
    print(f"{what}: {count} pictures, guides' loop against one call")
    print(f"    {measured}")
    met = measured.ratio >= PICTURES_GOAL
    note(what[4:], measured, LOOP, f"at least {PICTURES_GOAL:g} ×", met)
    print(f"    at least {PICTURES_GOAL:g} × faster: {verdict(met)}")
    return statistics.median(measured.b) / count


def edit(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(d) one picture edited at some strengths with some seeds each."""
    start = kn.generate(k, params, progress=False)[0]
    strengths, seeds = EDITS
    runs = kn.sweep(params, strength=strengths, seed=seeds)
    pipeline = guide.pipeline("edit", "KandinskyV22Img2ImgPipeline")

    def ours() -> None:
        k.embeddings.clear()
        kn.edit(k, runs, image=start, progress=False)

    def theirs() -> None:
        for run in runs:
            guide.draw(run.prompt, run.seed, pipeline, image=start, strength=run.strength)

    what = f"(d) edit at {len(strengths)} strengths × {len(seeds)} seeds"
    in_one_call(what, len(runs), theirs, ours, repeats)


def inpaint(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(e) one picture under some masks, and what it costs to join them."""
    from kandi_nb.pictures.editing.join import join_pictures

    start = kn.generate(k, params, progress=False)[0]
    (width, height), masks = start.size, []
    for n in range(MASKS):
        left, top = n % 4 * width // 8, n // 4 * height // 4
        masks.append(kn.rectangle(start, (left, top, left + width // 2, top + height // 2)))
    runs = kn.sweep(params, seed=range(MASKS))
    pipeline = guide.pipeline("inpaint", "KandinskyV22InpaintPipeline")

    def ours() -> None:
        k.embeddings.clear()
        kn.inpaint(k, runs, image=start, mask=masks, progress=False)

    def theirs() -> None:
        for run, mask in zip(runs, masks, strict=True):
            guide.draw(run.prompt, run.seed, pipeline, image=start, mask_image=mask.image)

    what = f"(e) inpaint under {MASKS} masks"
    seconds = in_one_call(what, MASKS, theirs, ours, repeats)
    painted = kn.generate(k, params.replace(seed=1), progress=False)[0]
    began = time.perf_counter()
    for mask in masks:
        join_pictures(start, painted, mask.array)
    joining = (time.perf_counter() - began) / len(masks)
    print(
        f"    joining {joining * 1000:.1f} ms a picture, at most {JOINING_GOAL:.0%} of that: "
        f"{verdict(joining <= JOINING_GOAL * seconds)} ({joining / seconds:.1%})"
    )


def outpaint(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(f) a wide canvas in windows against one go, and the memory of a far wider one."""
    start = kn.generate(k, params, progress=False)[0]
    side = start.width
    whole = params.replace(width=4 * side, height=side)

    def windows() -> None:
        kn.outpaint(k, params, image=start, right=3 * side, progress=False)

    def one_go() -> None:
        kn.outpaint(k, whole, image=start, right=3 * side, progress=False)

    measured = kn.pair(windows, one_go, repeats)
    print(f"(f) outpaint to {4 * side} × {side}: three windows, half of each twice, or one go")
    print(f"    {measured}")
    taken = {}
    for width in (2 * side, 16 * side):
        code = (
            "import sys, kandi_nb as kn; from PIL import Image; k = kn.load(sys.argv[1], "
            'device="cpu"); w, s = map(int, sys.argv[2:]); kn.outpaint(k, kn.Params("space", '
            "steps=2), image=Image.effect_noise((s, s), 90), right=w - s, progress=False); "
            "import psutil; m = psutil.Process().memory_info(); "
            'print(getattr(m, "peak_wset", 0) or __import__("resource").getrusage(0).ru_maxrss)'
        )
        command = [sys.executable, "-c", code, str(guide.model), str(width), str(side)]
        taken[width] = int(subprocess.check_output(command, text=True).split()[-1])
    narrow, wide = taken.values()
    print(
        f"    peak of a process at {16 * side} × {side}, at most {MEMORY_GOAL:g} × that of "
        f"{2 * side} × {side}: {verdict(wide <= MEMORY_GOAL * narrow)} ({wide / narrow:.2f} ×)"
    )


def mix(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(g) a grid of 5 × 5 mixtures against both stages anew for each cell."""
    import torch

    corners, side = ["a cat", "a dog", "an owl", "a fox"], MIX_SIDE
    way = [n / (side - 1) for n in range(side)]
    weights = [[(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x] for y in way for x in way]

    def ours() -> None:
        k.embeddings.clear()
        kn.mix_grid(k, params.replace(prompt=None), corners, side, progress=False)

    def theirs() -> None:
        for shares in weights:
            noise = torch.Generator().manual_seed(params.prior_seed)
            embeddings = guide.prior.interpolate(
                corners,
                shares,
                num_inference_steps=params.prior_steps,
                guidance_scale=params.prior_guidance,
                generator=noise,
            )
            guide.decoder(
                **embeddings,
                height=guide.size,
                width=guide.size,
                num_inference_steps=params.steps,
                guidance_scale=params.guidance,
                generator=torch.Generator().manual_seed(params.seed),
            )

    measured = kn.pair(theirs, ours, repeats)
    print(f"(g) {side} × {side} mixtures, interpolate for each cell against mix_grid")
    print(f"    {measured}, {torch.get_num_threads()} thread(s)")
    met = verdict(measured.ratio >= MIXING_GOAL)
    print(f"    at least {MIXING_GOAL:g} × faster: {met}")


def film(k: kn.Kandinsky, params: kn.Params) -> None:
    """(h) the memory that a long film takes beside its pictures."""
    import tempfile
    from pathlib import Path

    from kandi_nb.model.machine.peak import track_peak

    short, long = FILM
    quick = params.replace(prompt=None, steps=2)
    way = kn.path(k, quick, "a cat", "a dog", long, progress=False)
    side = FILM_SIDE, FILM_SIDE
    wide = kn.Result([each.resize(side) for each in way], way.params, model=way.model)
    print(f"(h) a film of {long} frames of {FILM_SIDE} × {FILM_SIDE}")
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("gif", "webp"):
            peaks = []
            for frames in FILM:
                with track_peak("cpu") as peak:
                    kn.animate(wide[:frames], Path(folder) / f"{frames}.{ending}")
                peaks.append(peak.peak_mb or 0)
            flat = verdict(peaks[1] - peaks[0] <= FILM_GOAL)
            print(
                f"    {ending}: peak {peaks[0]:.0f} MB with {short} frames, "
                f"{peaks[1]:.0f} with {long}: {flat}"
            )


def one(k: kn.Kandinsky, guide: Guide, params: kn.Params, repeats: int) -> None:
    """(b) one picture: generate against the bare pipelines."""

    def ours() -> None:
        k.embeddings.clear()
        kn.generate(k, params, progress=False)

    measured = kn.pair(ours, lambda: guide.draw(params.prompt, params.seed), repeats)
    print("(b) one picture, generate against the bare pipelines")
    print(f"    {measured}")
    met = measured.ratio <= 1 + OVERHEAD_GOAL
    sides = "one call : the bare pipelines"
    note("one picture", measured, sides, f"at most {1 + OVERHEAD_GOAL:g} ×", met)
    print(f"    at most {OVERHEAD_GOAL:.0%} longer: {verdict(met)} ({measured.ratio - 1:+.1%})")
    if not met:
        print(f"    time: {shares(where_time_goes(k, ours))}")


def teach(k: kn.Kandinsky, repeats: int) -> None:
    """Training: embeddings and latents computed once against a loop that encodes each step."""
    measured, pictures = teaching.teach(k, repeats)
    rates = [pictures / statistics.median(side) for side in (measured.a, measured.b)]
    goal = teaching.TEACHING_GOAL
    print("teaching the decoder, a loop that encodes at every step against encoding once")
    print(f"    {measured}")
    print(f"    {rates[0]:.0f} and {rates[1]:.0f} training pictures a second")
    met = measured.ratio >= goal
    note("teach", measured, "encoding at each step : once", f"at least {goal:g} ×", met)
    print(f"    at least {goal:g} times as many: {verdict(met)} ({measured.ratio:.2f})")


def adapter(k: kn.Kandinsky, params: kn.Params, repeats: int) -> None:
    """One picture, the prior included, with an adapter against without."""
    measured, goal = teaching.adapter(k, params, repeats), teaching.ADAPTER_GOAL
    print("one picture with an adapter against without")
    print(f"    {measured}")
    met = measured.ratio <= goal
    note("a picture with an adapter", measured, "with : without", f"at most {goal:g} ×", met)
    print(f"    at most {goal:g} times: {verdict(met)} ({measured.ratio:.2f})")


def imports(repeats: int) -> None:
    """(c) `import kandi_nb` in fresh processes."""
    code = (
        "import time; start = time.perf_counter(); import kandi_nb; "
        "print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code]
    taken = [float(subprocess.check_output(command, text=True)) for _ in range(repeats + 1)][1:]
    middle = statistics.median(taken)
    print(f"(c) import kandi_nb: {middle:.3f} s (fastest {min(taken):.3f})")
    print(f"    at most {IMPORT_GOAL:g} s: {verdict(middle <= IMPORT_GOAL)}")
    if middle > IMPORT_GOAL:
        trace = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import kandi_nb"],
            capture_output=True,
            text=True,
        ).stderr.splitlines()[1:]
        slowest = sorted(trace, key=lambda line: -int(line.split("|")[1]))[:8]
        print("    " + "\n    ".join(slowest))


_ONE_BY_ONE = """
for model in models:
    k = kn.load(model, device="cpu", dtype="float32")
    kn.generate(k, params, progress=False)
    del k
    kn.free()
"""
_VERSUS = 'kn.versus(params, models, device="cpu", dtype="float32", progress=False)'
_FRESH = """
import json, sys, time, warnings
import kandi_nb as kn
from kandi_nb.model.machine.peak import track_peak

warnings.simplefilter("ignore")
models, steps = json.loads(sys.argv[1])
params = kn.Params("a red fox in a snowy forest", steps=steps)
# Libraries are imported, and their memory held, before anything is measured.
kn.generate(kn.load(models[0], device="cpu"), params.replace(steps=2), progress=False)
kn.free()
start = time.perf_counter()
with track_peak() as peak:
    {work}
print(json.dumps([time.perf_counter() - start, peak.peak_mb]))
"""


def in_fresh_process(work: str, models: list[str], steps: int) -> tuple[float, float]:
    """Return seconds and peak memory (2²⁰ bytes) of some lines, libraries not counted."""
    code = _FRESH.replace("{work}", work.strip().replace("\n", "\n    "))
    command = [sys.executable, "-c", code, json.dumps([models, steps])]
    seconds, peak = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    return seconds, peak


def versus(steps: int, repeats: int) -> None:
    """(i) three models by `versus` against loading each alone, and the largest by itself."""
    ways = {"versus": _VERSUS, "each alone": _ONE_BY_ONE}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in (*ways, "largest")}
    for _ in range(repeats):
        for name, work in ways.items():
            measured[name].append(in_fresh_process(work, GENERATIONS, steps))
        single = [in_fresh_process(_ONE_BY_ONE, [model], steps) for model in GENERATIONS]
        measured["largest"].append(max(single, key=lambda each: each[1]))
    seconds, peaks = (
        {name: statistics.median(each[n] for each in found) for name, found in measured.items()}
        for n in (0, 1)
    )
    print(f"(i) {', '.join(GENERATIONS)}: versus against loading each alone, a picture each")
    for name in ways:
        print(f"    {name}: {seconds[name]:.2f} s, peak {peaks[name]:.0f} MB")
    faster = seconds["versus"] <= seconds["each alone"]
    print(
        f"    no slower: {verdict(faster)} ({seconds['versus'] / seconds['each alone']:.2f} ×)"
    )
    share = peaks["versus"] / peaks["largest"]
    print(
        f"    at most {PEAK_GOAL:g} × the peak of the largest alone "
        f"({peaks['largest']:.0f} MB): {verdict(share <= PEAK_GOAL)} ({share:.2f} ×)"
    )


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"{', '.join(GOALS)} (or all)")
    parser.add_argument("--model", default="mini-2.2", help="a bundled key or a 2.2 folder")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    options = parser.parse_args(words)
    wanted = options.goals or GOALS
    if unknown := set(wanted) - set(GOALS):
        parser.error(f"unknown goal {', '.join(unknown)}; known: {', '.join(GOALS)}")

    try:
        if set(wanted) - {"import", "versus"}:
            import torch

            params = kn.Params(PROMPTS[0], steps=options.steps, prior_steps=options.steps)
            k = kn.load(options.model, device="cpu", dtype="float32")
            guide = Guide(options.model, params, k.spec.native_size)
            print(
                f"{k}, {options.steps} steps, {torch.get_num_threads()} thread(s), median of "
                f"{options.repeats} rounds"
            )
            if "grid" in wanted:
                grid(k, guide, params, options.repeats)
            if "one" in wanted:
                one(k, guide, params, options.repeats * 3)
            if "mix" in wanted:
                mix(k, guide, params, options.repeats)
            if "film" in wanted:
                film(k, params)
            if "teach" in wanted:
                teach(k, options.repeats)
            if "adapter" in wanted:
                adapter(k, params, options.repeats * 3)
            for name, measure in {
                "edit": edit,
                "inpaint": inpaint,
                "outpaint": outpaint,
            }.items():
                if not options.goals and options.steps < 5:
                    continue  # the plain pipeline fails where strength leaves it no step
                # A folder may hold no checkpoint for it: then only who asks for it is refused.
                if name in wanted and (options.goals or name in k.spec.tasks):
                    measure(k, guide, params, options.repeats)
        if "import" in wanted:
            imports(options.repeats)
        # With few steps there is nothing but loading to measure.
        if "versus" in wanted and (options.goals or options.steps >= 5):
            versus(options.steps, min(options.repeats, 3))
    except kn.KandiError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
