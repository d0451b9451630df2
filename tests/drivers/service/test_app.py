"""The endpoints of the service, called inside of the test: what is drawn, what is refused."""

from __future__ import annotations

import io
import json
import logging
import time
import zipfile

import numpy as np
import pytest
from asgi import QUICK, asked, opened, png, requested, serving

from kandi_nb.drivers.service.settings import DEFAULTS, PUBLISHED, params_of
from kandi_nb.pictures.recipe import carried, recipe
from kandi_nb.tasks.generate import generate
from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS
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
        assert carried(picture) == {} and b"passwd" not in answer.content
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
        ('{"prompt": "a", "scheduler": "euler"}', "draws with DDPMScheduler"),
        ('{"prompt": "a", "width": 10}', "from 64"),
    ],
)
def test_bad_json_is_refused_in_one_line(app, body, says):
    response = asked(app, "POST", "/generate", content=body, headers=JSON)
    assert response.status_code == 422
    line = response.json()["detail"]
    assert says in line and "\n" not in line and len(line) < 600


def test_json_has_a_bound_of_its_own(app):
    longest = {**FOX, "prompt": "狐" * 100_000, "negative": "狐" * 100_000, "steps": 1}
    response = asked(app, "POST", "/generate", json=longest)
    assert response.status_code == 422 and "steps must be" in response.json()["detail"]
    body = b"[" + b"0," * 2**20 + b"0]"
    assert asked(app, "POST", "/generate", content=body, headers=JSON).status_code == 413


def test_a_model_that_is_not_loaded_is_not_found(app):
    response = asked(app, "POST", "/generate", json={**FOX, "model": "kandinsky-3"})
    assert response.status_code == 404 and "is not loaded" in response.json()["detail"]


def test_the_scheduler_that_is_loaded_may_be_named(app):
    for name in ("DDPMScheduler", "ddpm"):
        body = {**FOX, "scheduler": name}
        assert asked(app, "POST", "/generate", json=body).status_code == 200


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


@pytest.mark.parametrize(
    ("files", "status", "says"),
    [
        ({"image": bomb()}, 413, "more than 4,194,304 pixels"),
        ({"image": png((4096, 2048))}, 413, "more than"),
        ({"image": png()[:60]}, 422, "image"),
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
        line, ends = app.state.worker.line, time.monotonic() + 20
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
