"""The endpoints that OpenAI's clients call, called by their own client."""

from __future__ import annotations

import base64
import io

import pytest
from asgi import ADDRESS, QUICK, asked, completed, opened, png, serving
from PIL import Image

from kandi_nb.pictures.recipe import recipe

MORE = {"extra_body": {**QUICK, "seed": 7}}


@pytest.fixture(scope="module")
def app(tiny_roles):
    with serving(tiny_roles) as app:
        yield app


@pytest.fixture
def call(app):
    """Run `work(client)` with OpenAI's asynchronous client on the app."""
    import httpx
    import openai

    def called(work, app=app):
        async def inside():
            http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
            async with openai.AsyncOpenAI(
                base_url=f"{ADDRESS}/v1", api_key="none", http_client=http, max_retries=0
            ) as client:
                return await work(client)

        return completed(inside())

    return called


def decoded(response, n=0):
    data = base64.b64decode(response.data[n].b64_json)
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def test_pictures_are_drawn_with_their_recipes(call):
    response = call(lambda c: c.images.generate(prompt="a fox", n=2, size="128x64", **MORE))
    assert len(response.data) == 2 and response.created > 0
    made = [recipe(decoded(response, n))["params"] for n in (0, 1)]
    assert [params["seed"] for params in made] == [7, 8]
    assert decoded(response).size == (128, 64) and made[0]["prior_guidance"] == 4.0


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_files_are_of_the_format_that_is_asked_for(call, name):
    response = call(
        lambda c: c.images.generate(
            prompt="a fox", output_format=name, response_format="b64_json", size="auto",
            quality="high", user="somebody", **MORE,
        )
    )  # fmt: skip
    assert decoded(response).format == name.upper() and response.output_format == name


def test_a_transparent_mask_is_repainted_where_it_is_transparent(call):
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (32, 0, 64, 64))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    response = call(
        lambda c: c.images.edit(
            image=("fox.png", png()),
            mask=("mask.png", buffer.getvalue()),
            prompt="a cat",
            **MORE,
        )
    )
    picture = decoded(response)
    assert recipe(picture)["task"] == "inpaint"
    left = picture.convert("RGB").crop((0, 0, 32, 64))
    assert left.getcolors() == [(32 * 64, (255, 0, 0))], "what is opaque stays, bit for bit"


def test_without_a_mask_all_of_it_or_its_own_transparent_part_is_edited(call):
    whole = call(
        lambda c: c.images.edit(image=[("a.png", png())], prompt="a", size="64x64", **MORE)
    )
    half = Image.new("RGBA", (64, 64), "red")
    half.paste((0, 0, 0, 0), (0, 0, 32, 64))
    buffer = io.BytesIO()
    half.save(buffer, "PNG")
    part = call(lambda c: c.images.edit(image=("a.png", buffer.getvalue()), prompt="a", **MORE))
    tasks = [recipe(decoded(response))["task"] for response in (whole, part)]
    assert tasks == ["edit", "inpaint"]


def test_models_are_listed(call, app):
    key = app.state.worker.k.spec.key

    async def listed(client):
        names = [model.id async for model in await client.models.list()]
        return names, (await client.models.retrieve(key)).id

    assert call(listed) == ([key], key)


def test_a_size_that_takes_too_long_is_refused_at_once(app, call):
    import openai

    def pictures():
        text = app.state.worker.metrics.text().decode()
        return [line for line in text.splitlines() if "_pictures_total{" in line]

    before = pictures()
    with pytest.raises(openai.BadRequestError) as raised:
        call(lambda c: c.images.generate(prompt="a fox", size="1024x1024"))
    assert "this model draws 64 × 64" in raised.value.body["message"]
    assert pictures() == before, "nothing was drawn"


@pytest.mark.parametrize("size", ["1024x1024", "512x256"])
def test_a_client_that_knows_large_sizes_alone_may_have_them_enlarged(call, size):
    response = call(
        lambda c: c.images.generate(
            prompt="a fox", size=size, extra_headers={"X-Kandi-NB-Enlarge": "yes"}, **MORE
        )
    )
    picture = decoded(response)
    assert "{}x{}".format(*picture.size) == response.size == size
    made = recipe(picture)["params"]
    assert (made["width"], made["height"]) == (64, 64)


@pytest.mark.parametrize(
    ("options", "error", "says", "param"),
    [
        ({"model": "gpt-image-1"}, "NotFoundError", "is not loaded here", None),
        ({"size": "huge"}, "BadRequestError", "size is", "size"),
        ({"size": "9999x9999"}, "BadRequestError", "4096", "size"),
        ({"n": 100}, "BadRequestError", "count", "n"),
        ({"response_format": "file"}, "BadRequestError", "b64_json", "response_format"),
        ({"background": "transparent"}, "BadRequestError", "opaque", "background"),
        ({"output_format": "gif"}, "BadRequestError", "one of png", "output_format"),
    ],
)
def test_errors_are_theirs_and_say_what_ours_say(call, options, error, says, param):
    import openai

    with pytest.raises(getattr(openai, error)) as raised:
        call(lambda c: c.images.generate(prompt="a fox", **options))
    assert says in raised.value.body["message"] and raised.value.body["type"]
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"image": png(), "mask": png()}, "no transparent part"),
        (
            {"image": png(), "mask": png(colour=(0, 0, 0, 255), mode="RGBA")},
            r"make it transparent (alpha 0) where to repaint",
        ),
        ({"image": png(), "mask": png((32, 32), (0, 0, 0, 0), "RGBA")}, "of one size"),
        ({"mask": png()}, "image is missing"),
        ([("image", png()), ("mask", png()), ("mask", png())], "mask is given twice"),
    ],
)
def test_bad_edits_are_refused(app, files, says):
    response = asked(app, "POST", "/v1/images/edits", data={"prompt": "a"}, files=files)
    assert response.status_code == 400 and says in response.json()["error"]["message"]


def test_the_pictures_are_those_of_generate(app, call):
    response = call(lambda c: c.images.generate(prompt="a fox", **MORE))
    body = {"prompt": "a fox", **QUICK, "seed": 7, "steps": 2, "prior_guidance": 4}
    ours = asked(app, "POST", "/generate", json=body)
    assert recipe(decoded(response)) == recipe(opened(ours.content))
