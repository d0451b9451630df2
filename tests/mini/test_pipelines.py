"""Every Kandinsky class of diffusers runs on the export: offline, by the publisher's names."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kandi_nb.mini.export import export
from kandi_nb.mini.names import FAMILY

# Each entry: folder, and which inputs the class takes beside a prompt or what a prior made.
CLASSES = {
    "KandinskyPriorPipeline": ("kandinsky-2-1-prior", "prompt"),
    "KandinskyPipeline": ("kandinsky-2-1", "prompt embeds size"),
    "KandinskyImg2ImgPipeline": ("kandinsky-2-1", "prompt embeds size image strength"),
    "KandinskyInpaintPipeline": ("kandinsky-2-1-inpaint", "prompt embeds size image mask"),
    "KandinskyCombinedPipeline": ("kandinsky-2-1", "prompt prior size"),
    "KandinskyImg2ImgCombinedPipeline": ("kandinsky-2-1", "prompt prior size image strength"),
    "KandinskyInpaintCombinedPipeline": (
        "kandinsky-2-1-inpaint",
        "prompt prior size image mask",
    ),
    "KandinskyV22PriorPipeline": ("kandinsky-2-2-prior", "prompt"),
    "KandinskyV22PriorEmb2EmbPipeline": ("kandinsky-2-2-prior", "prompt image strength"),
    "KandinskyV22Pipeline": ("kandinsky-2-2-decoder", "embeds size"),
    "KandinskyV22Img2ImgPipeline": ("kandinsky-2-2-decoder", "embeds size image strength"),
    "KandinskyV22InpaintPipeline": (
        "kandinsky-2-2-decoder-inpaint",
        "embeds size image mask",
    ),
    "KandinskyV22ControlnetPipeline": ("kandinsky-2-2-controlnet-depth", "embeds size hint"),
    "KandinskyV22ControlnetImg2ImgPipeline": (
        "kandinsky-2-2-controlnet-depth",
        "embeds size hint image strength",
    ),
    "KandinskyV22CombinedPipeline": ("kandinsky-2-2-decoder", "prompt prior size"),
    "KandinskyV22Img2ImgCombinedPipeline": (
        "kandinsky-2-2-decoder",
        "prompt prior size image strength",
    ),
    "KandinskyV22InpaintCombinedPipeline": (
        "kandinsky-2-2-decoder-inpaint",
        "prompt prior size image mask",
    ),
    "Kandinsky3Pipeline": ("kandinsky-3", "prompt size"),
    "Kandinsky3Img2ImgPipeline": ("kandinsky-3", "prompt image strength"),
}
AUTO = {
    "text-to-image 2.1": ("Text2Image", "kandinsky-2-1", "KandinskyCombinedPipeline"),
    "text-to-image 2.2": (
        "Text2Image",
        "kandinsky-2-2-decoder",
        "KandinskyV22CombinedPipeline",
    ),
    "text-to-image 3": ("Text2Image", "kandinsky-3", "Kandinsky3Pipeline"),
    "image-to-image 2.1": (
        "Image2Image",
        "kandinsky-2-1",
        "KandinskyImg2ImgCombinedPipeline",
    ),
    "image-to-image 2.2": (
        "Image2Image",
        "kandinsky-2-2-decoder",
        "KandinskyV22Img2ImgCombinedPipeline",
    ),
    "image-to-image 3": ("Image2Image", "kandinsky-3", "Kandinsky3Img2ImgPipeline"),
    "inpainting 2.1": (
        "Inpainting",
        "kandinsky-2-1-inpaint",
        "KandinskyInpaintCombinedPipeline",
    ),
    "inpainting 2.2": (
        "Inpainting",
        "kandinsky-2-2-decoder-inpaint",
        "KandinskyV22InpaintCombinedPipeline",
    ),
}

SCRIPT = """
import json, sys, warnings
import numpy as np, torch, diffusers
from PIL import Image

warnings.simplefilter("ignore")
classes, auto = json.loads(sys.stdin.read())
prompt = "A red fox in a snowy forest"
photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
mask = Image.new("L", (64, 64))
mask.paste(255, (16, 16, 48, 48))
embeds = {}

def arguments(takes, name):
    takes = takes.split()
    given = {"generator": torch.Generator().manual_seed(0)}
    # 2 steps: of 4 where image-to-image takes half of them.
    given["num_inference_steps"] = 4 if "strength" in takes else 2
    if "prompt" in takes: given["prompt"] = prompt
    if "prior" in takes: given["prior_num_inference_steps"] = 2
    if "embeds" in takes: given |= embeds["V22" if "V22" in name else "21"]
    if "size" in takes: given |= {"height": 64, "width": 64}
    if "image" in takes: given["image"] = photo
    if "mask" in takes: given["mask_image"] = mask
    if "hint" in takes: given["hint"] = torch.rand(1, 3, 64, 64)
    if "strength" in takes: given["strength"] = 0.5
    return given

def report(pipe, takes, name):
    pipe.set_progress_bar_config(disable=True)
    if "PriorPipeline" in name or "Emb2Emb" in name:
        made = pipe(**arguments(takes, name))
        both = {k: getattr(made, k) for k in ("image_embeds", "negative_image_embeds")}
        embeds.setdefault("V22" if "V22" in name else "21", both)
        made = made.image_embeds
        return {"shape": list(made.shape), "finite": bool(made.isfinite().all())}
    picture = pipe(**arguments(takes, name), output_type="np").images
    picture = np.asarray(picture)
    return {"shape": list(picture.shape), "finite": bool(np.isfinite(picture).all()),
            "spread": float(picture.std())}

found = sorted(n for n in dir(diffusers) if n.startswith(("KandinskyV22", "Kandinsky3")) or
               n.startswith("Kandinsky") and n[9].isupper())
reports = {"classes": [n for n in found if n.endswith("Pipeline")]}
where = "kandinsky-community/"
for name in sorted(classes, key=lambda n: "Prior" not in n):
    folder, takes = classes[name]
    pipe = getattr(diffusers, name).from_pretrained(where + folder)
    assert type(pipe).__name__ == name
    reports[name] = report(pipe, takes, name)
for what, (task, folder, name) in auto.items():
    pipe = getattr(diffusers, f"AutoPipelineFor{task}").from_pretrained(where + folder)
    reports[what] = {"class": type(pipe).__name__} | report(pipe, classes[name][1], name)
half = diffusers.AutoPipelineForText2Image.from_pretrained(
    where + "kandinsky-3", variant="fp16", dtype=torch.bfloat16)
reports["fp16"] = {"dtype": str(half.unet.dtype)}
half = diffusers.Kandinsky3Pipeline.from_pretrained(where + "kandinsky-3", variant="fp16")
reports["fp16"] |= report(half, "prompt size", "Kandinsky3Pipeline")
ddpm = diffusers.DDPMScheduler.from_pretrained(where + "kandinsky-2-1",
                                               subfolder="ddpm_scheduler")
pipe = diffusers.KandinskyImg2ImgPipeline.from_pretrained(where + "kandinsky-2-1",
                                                          scheduler=ddpm)
reports["ddpm"] = report(pipe, classes["KandinskyImg2ImgPipeline"][1],
                         "KandinskyImg2ImgPipeline")
print(json.dumps(reports))
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What a fresh process says of every class, in a folder with nothing but the export."""
    folder = tmp_path_factory.mktemp("export")
    assert [path.name for path in export(folder)] == sorted(FAMILY)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "empty")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment,
        input=json.dumps([CLASSES, AUTO]),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_every_class_of_2_1_2_2_and_3_runs_on_the_export(reports):
    """One test for all: whichever worker ran another would start the process once more."""
    assert len(CLASSES) == 19
    assert sorted(CLASSES) == reports["classes"]
    faults = {name: fault(name, reports[name]) for name in [*CLASSES, *AUTO, "fp16", "ddpm"]}
    assert not {name: found for name, found in faults.items() if found}


def fault(name, report):
    """What is wrong with what a class made, or nothing."""
    prior = "PriorPipeline" in name or "Emb2Emb" in name
    if not report["finite"] or report["shape"] != ([1, 128] if prior else [1, 64, 64, 3]):
        return report
    if not prior and report["spread"] <= 0.02:
        return "one flat colour"
    if name in AUTO and report["class"] != AUTO[name][2]:
        return report["class"]
    return None
