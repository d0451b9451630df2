"""The endpoints of the service, called inside of the test: what is drawn, what is refused."""

from __future__ import annotations

import io
import json
import logging
import time
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from asgi import ADDRESS, QUICK, asked, completed, opened, png, requested, serving

from kandi_nb.drivers.service.requests.settings import DEFAULTS, PUBLISHED, params_of, with_size
from kandi_nb.pictures.recipe import inputs_in, recipe
from kandi_nb.tasks.generate import generate
from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.models import SPECS
from kandi_nb.words.params import Params

JSON = {"Content-Type": "application/json"}
FOX = {"prompt": "a red fox", **QUICK}
FORM = {name: str(value) for name, value in FOX.items()}


@pytest.fixture(scope="module")
def app(tiny_roles):
    with serving(tiny_roles) as app:
        yield app


def details(response):
    return json.loads(response.headers["X-Kandi-NB"])


# Drawing


def test_a_picture_comes_with_its_recipe_and_is_what_the_task_draws(app, tiny_roles):
    response = asked(app, "POST", "/generate", json={**FOX, "seed": 7})
    assert response.status_code == 200 and response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Seed"] == "7"
    picture = opened(response.content)
    params = Params.from_dict(recipe(picture)["params"])
    own = generate(tiny_roles, params, progress=False)[0]
    far = np.abs(np.asarray(own).astype(int) - np.asarray(picture)).max()
    assert far <= 2 and recipe(picture)["params"]["seed"] == 7


def test_what_is_absent_is_as_in_the_published_service(app, tiny_roles):
    worker = app.state.worker
    params = params_of({"prompt": "a"}, tiny_roles, "generate", worker.limits, DEFAULTS)
    assert (params.steps, params.guidance, params.prior_guidance) == (50, 4.0, 1.0)
    assert params.width is None and params.prior_steps == FIELDS["prior_steps"].default


@pytest.mark.parametrize(("theirs", "ours"), PUBLISHED.items())
def test_published_names_mean_ours(app, tiny_roles, theirs, ours):
    value = "a dog" if FIELDS[ours].type is str else 3
    limits = app.state.worker.limits
    a, b = (
        params_of({"prompt": "a", "seed": 1, name: value}, tiny_roles, "generate", limits)
        for name in (theirs, ours)
    )
    assert a == b and getattr(a, ours) == value
    with pytest.raises(KandiError, match=f"{theirs} and {ours} are the same"):
        params_of({"prompt": "a", theirs: value, ours: value}, tiny_roles, "generate", limits)


def test_the_guidance_of_kandinsky_3_is_converted(app, tiny3_folder):
    from kandi_nb.model.loading.load import load

    k = load(tiny3_folder, device="cpu")
    limits = app.state.worker.limits
    theirs = params_of({"prompt": "a", "guidance_scale": 3}, k, "generate", limits)
    ours = params_of({"prompt": "a", "guidance": 4}, k, "generate", limits)
    assert theirs.guidance == ours.guidance == 4
    assert params_of({"prompt": "a"}, k, "generate", limits, DEFAULTS).guidance == 5


def test_a_whole_number_may_be_written_with_a_point(app):
    whole = asked(app, "POST", "/generate", json={"prompt": "a", "seed": 1, **QUICK})
    pointed = b'{"prompt": "a", "seed": 1.0, "steps": 2.0, "prior_steps": 2e0}'
    headers = {"content-type": "application/json"}
    answer = asked(app, "POST", "/generate", headers, content=pointed)
    assert answer.status_code == 200 and answer.content == whole.content


def test_an_absent_seed_is_random_and_known(app):
    bodies = [FOX, {**FOX, "seed": -1}, {**FOX, "seed": "random"}, {**FOX, "seed": None}]
    answers = requested(app, [("POST", "/generate", {"json": body}) for body in bodies])
    seeds = [int(answer.headers["X-Seed"]) for answer in answers]
    assert len(set(seeds)) == 4
    assert [recipe(opened(a.content))["params"]["seed"] for a in answers] == seeds


def test_several_pictures_come_as_an_archive_of_pngs_with_recipes(app):
    response = asked(app, "POST", "/generate", json={**FOX, "n": 3, "seed": 5})
    assert response.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        pictures = [opened(archive.read(name)) for name in archive.namelist()]
    assert [recipe(p)["params"]["seed"] for p in pictures] == [5, 6, 7]
    assert details(response)["seeds"] == [5, 6, 7]


def test_equal_settings_share_a_run_whoever_asks(app):
    bodies = [{**FOX, "prompt": f"fox {n}", "seed": n} for n in range(5)]
    bodies[0]["strength"] = 0.7  # without effect here: it must not part them
    bodies.append({**FOX, "steps": 3})
    answers = requested(app, [("POST", "/generate", {"json": body}) for body in bodies])
    assert [details(a)["shared"] for a in answers] == [5] * 5 + [1]
    prompts = [recipe(opened(a.content))["params"]["prompt"] for a in answers]
    assert prompts == [body["prompt"] for body in bodies]
    assert ["strength" in str(details(a)["warnings"]) for a in answers] == [True] + [False] * 5


def test_edit_and_inpaint_start_from_pictures_that_their_files_do_not_carry(app):
    given, mask = png(), png(colour="white", mode="L")
    calls = [
        ("POST", "/edit", {"data": FORM, "files": {"image": ("/etc/passwd", given)}}),
        (
            "POST",
            "/inpaint",
            {"data": {**FORM, "join": "hard"}, "files": {"image": given, "mask": mask}},
        ),
    ]
    for answer, task in zip(requested(app, calls), ("edit", "inpaint"), strict=True):
        assert answer.status_code == 200, answer.text
        picture = opened(answer.content)
        made = recipe(picture)
        assert made["task"] == task and "sha256" in made["inputs"]["image"]
        assert inputs_in(picture) == {} and b"passwd" not in answer.content
    assert made["options"]["join"] == "hard" and details(answer)["proof"]


def test_mix_takes_texts_and_pictures_in_their_order(app):
    parts = [
        ("prompt", (None, "a portrait")),
        *((name, (None, str(value))) for name, value in QUICK.items()),
        ("items", (None, "/etc/passwd")),
        ("items", ("x.png", png())),
        ("weights", (None, "1")),
        ("weights", (None, "3")),
    ]
    form = asked(app, "POST", "/mix", files=parts)
    assert form.status_code == 200, form.text
    made = recipe(opened(form.content))["inputs"]["embedding"]
    assert made["name"] == "25 % /etc/passwd + 75 % picture", "a path is but a text"
    texts = {**QUICK, "items": ["a cat", "a dog"], "how": "slerp"}
    assert asked(app, "POST", "/mix", json=texts).status_code == 200
    bad = asked(app, "POST", "/mix", json={**QUICK, "items": ["a cat"], "weights": [1, 2]})
    assert bad.status_code == 422 and "2 weights for 1 items" in bad.json()["detail"]


# Refusing: every line of bad input


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("[]", "one JSON object"),
        ("", "no JSON"),
        ('{"prompt": "a"', "no JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        ('{"prompt": "a", "guidance": NaN}', "NaN is no number"),
        ('{"prompt": "a", "guidance": -Infinity}', "-Infinity is no number"),
        ('{"prompt": "a", "guidance": 1e400}', "finite"),
        ('{"prompt": "a", "guidance": 1' + "0" * 400 + "}", "from 1 to 30"),
        ('{"prompt": "a", "seed": ' + "9" * 5000 + "}", "too long"),
        ("[" * 10_000, "nested too deep"),
        ('{"prompt": ' + '{"a": ' * 10_000, "nested too deep"),
        ('{"prompt": "a", "prompt": "b"}', "given twice"),
        ("{}", "prompt is missing"),
        ('{"prompt": 7}', "prompt must be text"),
        ('{"prompt": "  "}', "prompt is empty"),
        ('{"prompt": "\\ud800"}', "half a character"),
        ('{"prompt": "a", "steps": "many"}', "steps must be a whole number"),
        ('{"prompt": "a", "steps": 2.5}', "steps must be a whole number"),
        ('{"prompt": "a", "steps": true}', "steps must be a whole number"),
        ('{"prompt": "a", "steps": 900}', "at most 200 here"),
        ('{"prompt": "a", "n": 60}', "count is at most 8 here"),
        ('{"prompt": "a", "width": 4096, "height": 4096}', "at most 4,194,304 pixels"),
        ('{"prompt": "a", "guidence": 4}', "did you mean guidance?"),
        ('{"prompt": "a", "seed": "soon"}', "seed must be"),
        ('{"prompt": "a", "scheduler": "euler"}', "Euler"),
        ('{"prompt": "a", "scheduler": "../evil"}', "unknown scheduler"),
        ('{"prompt": "a", "scheduler": ["ddim"]}', "unknown scheduler"),
        ('{"prompt": "a", "width": 10}', "from 64"),
    ],
)
def test_bad_json_is_refused_in_one_line(app, body, says):
    response = asked(app, "POST", "/generate", content=body, headers=JSON)
    assert response.status_code == 422
    line = response.json()["detail"]
    assert says in line and "\n" not in line and len(line) < 600


def test_json_has_a_bound_of_its_own(app):
    body = b"[" + b"0," * 2**20 + b"0]"
    assert asked(app, "POST", "/generate", content=body, headers=JSON).status_code == 413


def test_a_model_that_is_not_loaded_is_not_found(app):
    response = asked(app, "POST", "/generate", json={**FOX, "model": "kandinsky-3"})
    assert response.status_code == 404 and "is not loaded" in response.json()["detail"]


def test_the_scheduler_that_is_loaded_may_be_named(app):
    for name in ("DDPMScheduler", "ddpm"):
        body = {**FOX, "scheduler": name}
        assert asked(app, "POST", "/generate", json=body).status_code == 200


def test_a_scheduler_may_be_named_for_one_picture(app, tiny_roles):
    body = {**FOX, "seed": 7, "prior_guidance": 4, "guidance": 4}
    calls = [
        ("POST", "/generate", {"json": {**body, "scheduler": n}}) for n in ("ddim", "ddpm")
    ]
    named, own = (opened(response.content) for response in requested(app, calls))
    assert [recipe(each)["options"]["scheduler"] for each in (named, own)] == [
        "DDIMScheduler",
        "DDPMScheduler",
    ]
    k = tiny_roles.with_scheduler("ddim")
    made = Params.from_dict(recipe(named)["params"])
    ours = np.asarray(generate(k, made)[0], int)
    assert np.abs(ours - np.asarray(named.convert("RGB"), int)).max() <= 2


def test_the_published_size_stands_for_the_published_model_alone(tiny):
    published = SimpleNamespace(spec=SPECS["kandinsky-2.2"])
    assert with_size({"prompt": "a"}, published) == {"prompt": "a", "width": 768, "height": 768}
    for given in ({"width": 512}, {"height": 64, "width": None}):
        assert with_size(given, published) == given
    for k in (tiny, SimpleNamespace(spec=SPECS["mini-2.2"])):
        assert with_size({"prompt": "a"}, k) == {"prompt": "a"}


def bomb():
    """Return a PNG whose header promises 60,000 × 60,000 pixels."""
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(name, data):
        whole = name + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    end = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + end


def crowd():
    """Return a PNG with 5,000 chunks of text, each of which is read by itself."""
    text = b"\0\0\0\2tEXta\0" + zlib.crc32(b"tEXta\0").to_bytes(4, "big")
    return png()[:33] + text * 5000 + png()[33:]


def test_pictures_that_are_cut_short_are_no_failures_of_the_service(app):
    """Wherever pictures come in: /mix decoded them late, which made /health unhealthy."""
    cut = png((300, 300))[:-70]
    calls = [("POST", "/mix", {"files": {"items": cut}, "data": QUICK})] * 3
    calls += [
        ("POST", path, {"files": {"image": cut}, "data": FORM})
        for path in ("/edit", "/upscale", "/depth", "/outpaint")
    ]
    calls += [("POST", "/inpaint", {"files": {"image": png(), "mask": cut}, "data": FORM})]
    for answer in requested(app, calls):
        assert answer.status_code == 422 and "whole file" in answer.json()["detail"]
    for files in ({"image": cut}, {"image": png(), "mask": cut}):
        answer = asked(app, "POST", "/v1/images/edits", data={"prompt": "a"}, files=files)
        assert answer.status_code == 400 and "whole file" in answer.text
    assert asked(app, "GET", "/health").status_code == 200
    assert "kandi_nb_failures_total 0.0" in asked(app, "GET", "/metrics").text


@pytest.mark.parametrize(
    ("path", "data", "says"),
    [
        ("/outpaint", {"size": "9" * 5000 + "x64"}, "size"),
        ("/outpaint", {"aspect": "16:0." + "0" * 390 + "1"}, "aspect"),
        ("/outpaint", {"aspect": "1:" + "0" * 400_000}, "aspect"),  # a pattern took for ever
        ("/outpaint", {"join": "h" * 400_000}, "join"),
        ("/mix", {"items": ["a", "b"], "weights": ["1", "1" + "0" * 400]}, "finite"),
        ("/mix", {"items": ["a", "b"], "weights": ["1", "[" * 5000]}, "numbers"),
        ("/mix", {"items": ["a", "b"], "weights": ["1", "9" * 5000]}, "numbers"),
    ],
)
def test_what_is_no_number_of_this_world_is_the_senders_fault(app, path, data, says):
    parts = [
        (n, (None, v)) for n, vs in data.items() for v in ([vs] if type(vs) is str else vs)
    ]
    if path != "/mix":
        parts += [("image", ("x.png", png())), ("prompt", (None, "a"))]
    response = asked(app, "POST", path, files=parts)
    assert response.status_code == 422 and says in response.json()["detail"]
    body = {"items": ["a", "b"], "weights": [1, 10**400]}
    assert asked(app, "POST", "/mix", json=body).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/mix", {"items": "a cat"}, "items is a list"),
        ("/mix", {"items": [7]}, "items is a list"),
        ("/mix", {"items": [" "]}, "prompt is empty"),
        ("/mix", {"items": ["a"], "weights": [2000]}, "at most 1,000"),
        ("/mix", {"items": ["a"], "weights": "1"}, "weights are"),
        ("/generate", {"prompt": "a", "seed": 2**63 - 1}, "seed is at most"),
        ("/v1/images/generations", {"prompt": "a", "output_format": []}, "output_format is"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(app, path, body, says):
    response = asked(app, "POST", path, json=body)
    assert response.status_code in (400, 422) and says in response.text


def test_pictures_do_not_grow_beyond_what_may_be(tiny_roles):
    with serving(tiny_roles, limits={"pixels": 128 * 128}) as app:
        for path, more in (("/upscale", {"factor": "3"}), ("/outpaint", {"left": "300"})):
            data = {**FORM, **more}
            answer = asked(app, "POST", path, data=data, files={"image": png()})
            assert answer.status_code == 422 and "at most 16,384" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/generate", "/mix", "/v1/images/generations"])
def test_a_prompt_has_at_most_as_many_letters_as_a_service_says(app, path):
    most = app.state.worker.limits.characters
    for text, says in (("🦊" * most, "steps"), ("🦊" * (most + 1), "at most 4,000 characters")):
        body = {"prompt": text, "steps": 0} | ({"items": ["a"]} if path == "/mix" else {})
        answer = asked(app, "POST", path, json=body)
        assert answer.status_code in (400, 422) and says in answer.text
    for more in ({"negative": "a" * (most + 1)}, {"negative_prompt": "a" * (most + 1)}):
        assert "at most 4,000" in asked(app, "POST", "/generate", json={**FOX, **more}).text
    items = asked(app, "POST", "/mix", json={"items": ["a" * (most + 1)]})
    assert items.status_code == 422 and "at most 4,000" in items.text


@pytest.mark.parametrize(
    ("files", "status", "says"),
    [
        ({"image": bomb()}, 413, "more than 4,194,304 pixels"),
        ({"image": png((4096, 2048))}, 413, "more than"),
        ({"image": png()[:60]}, 422, "image"),
        ({"image": png((300, 300))[:-70]}, 422, "whole file"),
        ({"image": crowd()}, 422, "thousands of small pieces"),
        ({"image": b"<svg/>"}, 422, "image is no picture"),
        ({"image": b""}, 422, "image is empty"),
        ({}, 422, "image is missing"),
        ({"image": png(), "picture": png()}, 422, "'picture' is no file here"),
        ({"image": [None, b"http://elsewhere/fox.png"]}, 422, "never opened"),
    ],
)
def test_bad_pictures_are_refused_before_they_are_decoded(app, files, status, says):
    files = {n: tuple(v) if isinstance(v, list) else ("x.png", v) for n, v in files.items()}
    files["prompt"] = (None, "a fox")
    response = asked(app, "POST", "/edit", files=files)
    assert (response.status_code, response.headers["Content-Type"]) == (
        status,
        "application/json",
    )
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (png(colour="black", mode="L"), "all black"),
        (png((32, 32), "white"), "make both of one size"),
        (png(colour="red"), "black and white"),
    ],
)
def test_bad_masks_are_refused(app, mask, says):
    response = asked(app, "POST", "/inpaint", data=FORM, files={"image": png(), "mask": mask})
    assert response.status_code == 422 and says in response.json()["detail"]


def test_bodies_of_other_kinds_are_refused(app):
    calls = [
        ("POST", "/generate", {"data": FORM}),
        (
            "POST",
            "/generate",
            {"content": json.dumps(FOX), "headers": {"Content-Type": "text/plain"}},
        ),
        ("POST", "/edit", {"json": FOX}),
    ]
    assert [answer.status_code for answer in requested(app, calls)] == [415] * 3
    broken = {
        "content": b"--x\r\nnonsense",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    }
    nameless = {"content": b"", "headers": {"Content-Type": "multipart/form-data"}}
    for more in (broken, nameless):
        response = asked(app, "POST", "/edit", **more)
        assert response.status_code == 422 and response.json()["detail"]


def form_of(charset, text=b"a fox"):
    """Return the options of a request with a form, written in a charset of the client's."""
    body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + text
    return {
        "content": body + b"\r\n--x--\r\n",
        "headers": {"Content-Type": f"multipart/form-data; boundary=x{charset}"},
    }


@pytest.mark.parametrize("path", ["/edit", "/mix", "/v1/images/edits"])
@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "latin-1", "klingon", "\x01"])
def test_forms_are_utf_8_and_nothing_else(app, path, charset):
    """Half a megabyte of punycode took half a minute of everybody's time."""
    response = asked(app, "POST", path, **form_of(f"; charset={charset}", b"a" * 500_000))
    assert response.status_code == 415 and "UTF-8" in response.text


def test_forms_are_read_whatever_they_hold(app):
    for charset in ("", '; charset="UTF-8"', "; Charset=utf8"):
        response = asked(app, "POST", "/edit", **form_of(charset))
        assert response.status_code == 422 and "image is missing" in response.text
    foreign = asked(app, "POST", "/edit", **form_of("", b"f\xfcchse"))
    assert foreign.status_code == 422 and "no UTF-8" in foreign.text
    long = asked(app, "POST", "/edit", **form_of("; a=" + ";" * 5000))
    assert long.status_code == 415


def test_forms_and_json_are_read_beside_the_loop(app, monkeypatch):
    import threading

    from kandi_nb.drivers.service.requests import bodies

    readers = []
    for name in ("parts_of", "parse_object"):
        usual = getattr(bodies, name)

        def read(*arguments, usual=usual):
            readers.append(threading.current_thread())
            return usual(*arguments)

        monkeypatch.setattr(bodies, name, read)
    loops = []

    async def reads():
        import httpx

        loops.append(threading.current_thread())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as c:
            await c.post("/edit", **form_of(""))
            await c.post("/generate", json={"steps": 1})

    completed(reads())
    assert len(readers) == 2 and not set(readers) & set(loops)


def test_json_is_json_however_it_is_spelled(app):
    headers = {"Content-Type": "APPLICATION/JSON; charset=UTF-8"}
    body = json.dumps({**QUICK, "items": ["a cat"]})
    assert asked(app, "POST", "/mix", headers, content=body).status_code == 200


def test_a_name_that_is_given_twice_is_found_quickly(app):
    """A search for each of the names before it took hours for two megabytes."""
    from kandi_nb.drivers.service.requests.bodies import parse_object

    names = ",".join(f'"{n}":0' for n in range(150_000))
    began = time.process_time()
    parse_object(f"{{{names}}}".encode())
    once = time.process_time() - began
    with pytest.raises(KandiError, match="given twice"):
        parse_object(f'{{{names},"x":0,"x":0}}'.encode())
    assert time.process_time() - began < 20 * once


def test_unknown_paths_below_v1_have_a_code_of_their_own(app):
    error = asked(app, "POST", "/v1/audio/speech", json={}).json()["error"]
    assert error["code"] == "unknown_url" and error["type"] == "invalid_request_error"
    body = {"prompt": "a", "model": "elsewhere"}
    error = asked(app, "POST", "/v1/images/generations", json=body).json()["error"]
    assert error["code"] == "model_not_found"


def test_unknown_paths_and_methods_say_so_in_one_line(app):
    assert asked(app, "GET", "/nothing").status_code == 404
    assert asked(app, "GET", "/generate").status_code == 405
    assert "GET /" in asked(app, "GET", "/nothing").json()["detail"]


# Being full


def test_a_full_queue_and_a_greedy_client_get_their_numbers(tiny_roles):
    limits = {"queue": 2, "per_client": 3, "window": 0.0, "batch": 1}
    with serving(tiny_roles, limits=limits) as app:
        calls = [("POST", "/generate", {"json": {**FOX, "steps": 20}})] * 8
        answers = requested(app, calls)
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) >= 2 and set(statuses) <= {200, 429, 503}
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused and all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


def test_a_request_that_takes_too_long_is_given_up_and_its_place_is_free(tiny_roles):
    with serving(tiny_roles, limits={"deadline": 0.3}) as app:
        response = asked(app, "POST", "/generate", json={**FOX, "steps": 200})
        assert response.status_code == 503 and "given up" in response.json()["detail"]
        assert "Retry-After" not in response.headers
        line, ends = app.state.worker.queue, time.monotonic() + 20
        while line.running and time.monotonic() < ends:
            time.sleep(0.01)
        assert line.running == line.waiting == 0


def test_an_unforeseen_error_is_no_500(app, monkeypatch, caplog):
    from kandi_nb.drivers.service import drawing

    def broken(*args, **named):
        raise ZeroDivisionError

    monkeypatch.setattr(drawing, "order_for", broken)
    with caplog.at_level(logging.ERROR, "kandi_nb.service"):
        response = asked(app, "POST", "/generate", json=FOX)
    assert response.status_code == 503 and "log" in response.json()["detail"]
    assert "ZeroDivisionError" in caplog.text


# About itself


def test_health_says_what_the_published_service_says(app):
    response = asked(app, "GET", "/health")
    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "device": "cpu", "models_loaded": True}


def test_an_ended_service_is_unhealthy(tiny_roles):
    with serving(tiny_roles) as app:
        app.state.worker.close(0)
        response = asked(app, "GET", "/health")
        assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
        assert asked(app, "POST", "/generate", json=FOX).status_code == 503


def test_reload_answers_as_published(tiny_roles):
    with serving(tiny_roles) as app:
        body = asked(app, "POST", "/reload").json()
    assert body["status"] == "success" and "loaded anew" in body["message"]


def test_the_front_page_is_for_browsers_and_for_programs(app):
    info = asked(app, "GET", "/").json()
    assert {"name", "version", "endpoints"} <= info.keys()
    assert {"/generate", "/edit", "/inpaint", "/mix", "/health"} <= info["endpoints"].keys()
    page = asked(app, "GET", "/", headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html") and "/generate" in page.text


def test_the_documentation_asks_nobody_else(app):
    page = asked(app, "GET", "/docs")
    assert "http://" not in page.text and "https://" not in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png", "start.js"):
        assert name in page.text or name == "favicon.png"
        assert asked(app, "GET", f"/docs/{name}").status_code == 200
    assert asked(app, "GET", "/docs/../../etc/passwd").status_code == 404
    assert asked(app, "GET", "/docs/..%2f..%2fcore.py").status_code == 404


def test_metrics_count_what_happened(tiny_roles):
    with serving(tiny_roles) as app:
        requested(app, [("POST", "/generate", {"json": FOX})] * 2)
        asked(app, "POST", "/generate", json={})
        text = asked(app, "GET", "/metrics").text
    assert 'kandi_nb_requests_total{endpoint="/generate",status="200"} 2.0' in text
    assert 'kandi_nb_requests_total{endpoint="/generate",status="422"} 1.0' in text
    assert 'kandi_nb_pictures_total{task="generate"} 2.0' in text
    assert "kandi_nb_queue_requests 0.0" in text


@pytest.mark.parametrize("prompts", [False, True])
def test_the_log_holds_prompts_only_when_asked_to(tiny_roles, caplog, prompts):
    with (
        serving(tiny_roles, log_prompts=prompts) as app,
        caplog.at_level(logging.INFO, "kandi_nb.service"),
    ):
        asked(app, "POST", "/generate", json={**FOX, "seed": 3})
    (entry,) = [record.entry for record in caplog.records if hasattr(record, "entry")]
    assert entry["endpoint"] == "/generate" and entry["status"] == 200 and entry["seed"] == 3
    assert (entry.get("prompt") == "a red fox") is prompts
