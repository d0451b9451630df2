"""The image endpoints as OpenAI's clients call them; their names stay in this module."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...pictures import masks
from ...pictures.images import picture, transparent
from ...pictures.pixels import check
from ...words.errors import KandiError, shown
from ..queue.limits import Limits, Refused
from ..queue.orders import Order, order_for
from .answers import files_of, headers_of
from .bodies import form, json_object, sorted_out
from .drawing import ordered
from .settings import params_of
from .uploads import opened

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ..queue.worker import Worker

FORMATS = ("png", "jpeg", "webp")
_IGNORED = ("quality", "style", "moderation", "user", "input_fidelity", "partial_images")
FIELDS = (
    *("prompt", "model", "n", "size", "response_format", "output_format"),
    *("output_compression", "background", "stream", *_IGNORED),
)
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


async def models(request: Request) -> Response:
    """List the one model that is loaded."""
    return JSONResponse({"object": "list", "data": [_model(request.app.state.worker.k)]})


async def model(request: Request) -> Response:
    """Describe the model that is loaded; 404 for others."""
    k, name = request.app.state.worker.k, request.path_params["model"]
    if name != k.spec.key:
        raise Refused(404, f"{shown(name)} is not loaded here; this service has {k.spec.key}")
    return JSONResponse(_model(k))


def _model(k: Kandinsky) -> dict[str, Any]:
    owner = "kandi_nb" if k.spec.bundled else "kandinsky-community"
    return {"id": k.spec.key, "object": "model", "created": 0, "owned_by": owner}


async def generations(request: Request) -> Response:
    """Draw what a JSON object says."""
    values = await json_object(request)
    file_format = _file_format(values)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        params = params_of(_settings(values), k, "generate", worker.limits, others=FIELDS)
        return order_for(k, "generate", params, {}, {}, client)

    return await _answer(request, make, file_format)


async def edits(request: Request) -> Response:
    """Repaint a picture where its mask is transparent; without a mask redraw all of it.

    Without a mask a picture's own transparent parts are repainted, as OpenAI has it.
    """
    parts = [(name.removesuffix("[]"), value) for name, value in await form(request)]
    if sum(name == "image" for name, _ in parts) > 1:
        raise KandiError("one image is edited at a time here; send one")
    values, files, _ = sorted_out(parts, ("image", "mask"), ("image",))
    for name in ("output_compression",):
        values[name] = _whole(values.get(name))
    file_format = _file_format(values)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        inputs = _inputs(files, worker.limits)
        task = "inpaint" if "mask" in inputs else "edit"
        size = values.get("size") or "auto"
        if size not in ("auto", "{}x{}".format(*inputs["image"].size)):
            raise KandiError(
                f"size is auto, an edited picture keeps its own, not {shown(size)}"
            )
        rest = _settings({**values, "size": None})
        params = params_of(rest, k, task, worker.limits, others=FIELDS)
        return order_for(k, task, params, inputs, {}, client)

    return await _answer(request, make, file_format)


def _whole(text: Any) -> Any:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 9 else text


def _inputs(files: Mapping[str, bytes], limits: Limits) -> dict[str, Any]:
    """Return picture and mask; transparent means "repaint", which is white for a task."""
    source = opened(files["image"], "image", limits)
    check(source, "image")
    inputs: dict[str, Any] = {"image": picture(source)}
    mask = opened(files["mask"], "mask", limits) if "mask" in files else None
    if mask is not None and not mask.has_transparency_data:
        raise KandiError("mask has no transparent part; it is transparent where to repaint")
    if mask is None and transparent(source):
        mask = source
    if mask is not None:
        covered = masks.Mask.from_alpha(mask)
        inputs["mask"] = masks.check(covered, inputs["image"]).image
    return inputs


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields say in words that `params_of` knows."""
    ours = ("prompt", "model", "n")
    fields = {n: v for n, v in values.items() if n not in FIELDS or n in ours}
    size = values.get("size")
    if size not in (None, "auto"):
        match = _SIZE.fullmatch(size) if isinstance(size, str) else None
        if match is None:
            raise KandiError(f'size is "auto" or such as "512x512", not {shown(size)}')
        if {"width", "height"} & fields.keys():
            raise KandiError("size is given twice, as width or height, too; give it once")
        fields |= {"width": int(match[1]), "height": int(match[2])}
    return fields


def _file_format(values: Mapping[str, Any]) -> tuple[str, int]:
    """Return format and quality of the files; raise KandiError for what is not offered."""
    if values.get("response_format") not in (None, "b64_json"):
        raise KandiError('response_format is "b64_json" here; nothing is kept at an address')
    if values.get("stream") not in (None, False, "false"):
        raise KandiError("pictures are not streamed here; leave stream out")
    if values.get("background") not in (None, "auto", "opaque"):
        raise KandiError("pictures are opaque here; leave background out")
    name, quality = values.get("output_format") or "png", values.get("output_compression")
    if name not in FORMATS:
        raise KandiError(f"output_format is one of {', '.join(FORMATS)}, not {shown(name)}")
    quality = 100 if quality is None else quality
    if isinstance(quality, bool) or not isinstance(quality, int) or not 0 <= quality <= 100:
        raise KandiError(f"output_compression is from 0 to 100, not {shown(quality)}")
    return name, quality


async def _answer(request: Request, make: Any, file_format: tuple[str, int]) -> Response:
    drawn = await ordered(request, make)
    files = await run_in_threadpool(files_of, drawn.result)
    if file_format[0] != "png":
        files = await run_in_threadpool(_converted, drawn.result.images, *file_format)
    data = [{"b64_json": base64.b64encode(file).decode()} for file in files]
    width, height = drawn.result.images[0].size
    body = {"created": int(time.time()), "data": data, "background": "opaque"}
    body |= {"output_format": file_format[0], "size": f"{width}x{height}"}
    return JSONResponse(body, headers=headers_of(drawn))


def _converted(images: Sequence[Any], name: str, quality: int) -> list[bytes]:
    files = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, name, quality=max(1, quality))
        files.append(buffer.getvalue())
    return files
