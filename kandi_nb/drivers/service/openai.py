"""The image endpoints as OpenAI's clients call them; their names stay in this module."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...pictures import masks
from ...pictures.images import picture, transparent
from ...pictures.pixels import check_pixels
from ...words.errors import KandiError
from ..queue.limits import Limits
from ..queue.orders import Order, order_for
from .answers import IGNORED, files_of, headers_of
from .drawing import draw_order
from .requests.openai_requests import FIELDS, Wish, ignored_names, read_edit, read_generation
from .requests.settings import not_loaded, params_of, scheduler_of, with_size
from .requests.uploads import open_upload, read_whole

if TYPE_CHECKING:
    from ...model.loading.kandinsky import Kandinsky
    from ...words.params import Params
    from ..queue.worker import Worker

ENLARGE = "X-Kandi-NB-Enlarge"  # for clients that know no sizes but OpenAI's
_TOO_LARGE = 4  # times a model's own area: what clients of elsewhere then get enlarged


async def models(request: Request) -> Response:
    """List the one model that is loaded, and its names of elsewhere."""
    k = request.app.state.worker.k
    names = [k.spec.key, *request.app.state.aliases]
    return JSONResponse({"object": "list", "data": [_model(k, name) for name in names]})


async def model(request: Request) -> Response:
    """Describe the model that is loaded; 404 for others."""
    k, name = request.app.state.worker.k, request.path_params["model"]
    for known in (k.spec.key, *request.app.state.aliases):
        if name in (known, known.rstrip("/")):
            return JSONResponse(_model(k, known))
    raise not_loaded(name, k)


def _model(k: Kandinsky, name: str) -> dict[str, Any]:
    owner = "kandi_nb" if k.spec.bundled else "kandinsky-community"
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


async def generations(request: Request) -> Response:
    """Draw what a JSON object says; with the header ENLARGE at the model's own size."""
    wish = await read_generation(request, request.app.state.aliases)
    larger = _wants_larger(request)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        width, height = wish.size or (None, None)
        sides = {"width": width, "height": height} if wish.size else {}
        fields = with_size({**wish.fields, **sides}, k)
        params = params_of(fields, k, "generate", worker.limits, others=FIELDS)
        area = (params.width or 0) * (params.height or 0) / k.spec.native_size**2
        if (larger and area > 1) or (wish.alias and area > _TOO_LARGE):
            wish.size = params.width, params.height
            width, height = _own_size(params, k)
            params = params.replace(width=width, height=height)
        else:
            wish.size = None
        return order_for(k, "generate", params, {}, {}, client, scheduler_of(fields, k))

    return await _answer(request, make, wish, "image_generation")


def _wants_larger(request: Request) -> bool:
    return request.headers.get(ENLARGE, "").casefold() in ("1", "true", "yes")


def _own_size(params: Params, k: Kandinsky) -> tuple[int, int]:
    """Return the model's own size at the asked aspect."""
    asked = params.width * params.height
    sides = [side * k.spec.native_size / asked**0.5 for side in (params.width, params.height)]
    return tuple(max(64, round(side / 64) * 64) for side in sides)


async def edits(request: Request) -> Response:
    """Repaint a picture where its mask is transparent; without a mask redraw all of it.

    Without a mask a picture's own transparent parts are repainted, as OpenAI has it.
    """
    wish = await read_edit(request, request.app.state.aliases)
    larger = _wants_larger(request)

    def make(k: Kandinsky, worker: Worker, client: str) -> Order:
        inputs = read_whole(lambda: _inputs(wish.files, worker.limits), "image")
        task = "inpaint" if "mask" in inputs else "edit"
        if wish.size == inputs["image"].size:
            wish.size = None
        if wish.size and not (wish.alias or larger):
            raise KandiError(
                "size is auto, an edited picture keeps its own, not "
                f"{wish.size[0]}x{wish.size[1]}; the header {ENLARGE}: yes resizes it"
            )
        if wish.size and wish.size[0] * wish.size[1] > worker.limits.pixels:
            raise KandiError(f"size has at most {worker.limits.pixels:,} pixels here")
        params = params_of(wish.fields, k, task, worker.limits, others=FIELDS)
        scheduler = scheduler_of(wish.fields, k)
        return order_for(k, task, params, inputs, {}, client, scheduler)

    return await _answer(request, make, wish, "image_edit")


def _inputs(files: Mapping[str, bytes], limits: Limits) -> dict[str, Any]:
    """Return picture and mask; transparent means "repaint", which is white for a task."""
    source = open_upload(files["image"], "image", limits)
    check_pixels(source, "image")
    inputs: dict[str, Any] = {"image": picture(source)}
    mask = open_upload(files["mask"], "mask", limits) if "mask" in files else None
    if mask is not None and not transparent(mask):
        raise KandiError(
            "mask has no transparent part, so nothing would be repainted; make it transparent "
            "(alpha 0) where to repaint, or leave it out to redraw the whole picture"
        )
    if mask is None and transparent(source):
        mask = source
    if mask is not None:
        covered = masks.Mask.from_alpha(mask)
        inputs["mask"] = masks.check_mask(covered, inputs["image"]).image
    return inputs


async def _answer(request: Request, make: Any, wish: Wish, event: str) -> Response:
    """Answer with what is drawn, enlarged to the size that is wished for, if any is."""
    drawn = await draw_order(request, make)
    if wish.size:
        drawn.result.images = await run_in_threadpool(_enlarge, drawn.result.images, wish.size)
    files = await run_in_threadpool(files_of, drawn.result)
    if wish.file_format != "png":
        files = await run_in_threadpool(
            _convert, drawn.result.images, wish.file_format, wish.quality
        )
    width, height = drawn.result.images[0].size
    body = {"background": "opaque", "output_format": wish.file_format}
    body |= {"size": f"{width}x{height}", "quality": "auto", "usage": _USAGE}
    now, texts = int(time.time()), [base64.b64encode(file).decode() for file in files]
    headers = headers_of(drawn)
    if wish.ignored:
        headers[IGNORED] = ignored_names(wish.ignored)
    if wish.stream:
        told = {"type": f"{event}.completed", "created_at": now, **body}
        events = [_event({**told, "b64_json": text}) for text in texts]
        return Response("".join(events), media_type="text/event-stream", headers=headers)
    kind = f"data:image/{wish.file_format};base64,"
    data = [{"url": kind + text} if wish.by_address else {"b64_json": text} for text in texts]
    return JSONResponse({"created": now, "data": data, **body}, headers=headers)


# Tokens are what elsewhere is paid for.
_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}


def _event(told: Mapping[str, Any]) -> str:
    return f"event: {told['type']}\ndata: {json.dumps(told)}\n\n"


def _enlarge(images: Sequence[Any], size: tuple[int, int]) -> list[Any]:
    """Return pictures that fill a size; what another aspect has too much of is cut off."""
    from PIL import Image, ImageOps

    return [ImageOps.fit(image, size, Image.Resampling.LANCZOS) for image in images]


def _convert(images: Sequence[Any], name: str, quality: int) -> list[bytes]:
    files = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, name, quality=max(1, quality))
        files.append(buffer.getvalue())
    return files
