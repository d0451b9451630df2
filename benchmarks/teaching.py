"""What teaching gains by computing embeddings and latents once, and what an adapter costs."""

from __future__ import annotations

from typing import Any

import kandi_nb as kn

TEACHING_GOAL = 1.3  # times the pictures a second of a loop that encodes at every step
ADAPTER_GOAL = 1.1  # of the time of a picture without an adapter
STEPS = 6  # of training, a side and round
PICTURES = 24


def teach(k: kn.Kandinsky, repeats: int) -> tuple[Any, int]:
    """Return the measured pair of the plain loop and ours, and pictures that each side took.

    Both take the same training steps of the decoder; the plain loop looks at the pictures of
    each batch by CLIP and MoVQ as the common scripts do.
    """
    from kandi_nb.mini.world import snowmen
    from kandi_nb.tasks.teaching.courses import BATCHES, loss_of
    from kandi_nb.tasks.teaching.lessons import lessons_of
    from kandi_nb.tasks.teaching.prepared import prepare
    from kandi_nb.tasks.teaching.training import Course, Training, over_the_same_weights

    size = BATCHES["decoder"][0]
    lessons = lessons_of(*snowmen.lessons(PICTURES))
    with k.alone():
        prepared = prepare(k, lessons, False)
    ours = loss_of("decoder", k, prepared, size)

    def naive(network: Any, generator: Any) -> Any:
        with k.alone():
            fresh = prepare(k, lessons[:size], False)
        return loss_of("decoder", k, fresh, size)(network, generator)

    def training(loss: Any) -> Any:
        course = Course("decoder", 10**6, 0.0, 8, 1.0, 2e-3, 0)
        return Training(course, over_the_same_weights(k, k.decoder.unet), loss)

    def steps(side: Any) -> None:
        for _ in range(STEPS):
            side.step()

    sides = training(naive), training(ours)
    for side in sides:
        side.step()  # the first one chooses algorithms
    return kn.pair(lambda: steps(sides[0]), lambda: steps(sides[1]), repeats), STEPS * size


def adapter(k: kn.Kandinsky, params: kn.Params, repeats: int) -> Any:
    """Return the measured pair of a picture with an adapter and without one."""
    from kandi_nb.mini.world import snowmen

    taught = kn.teach(
        k, *snowmen.lessons(2), steps={"prior": 1, "decoder": 1}, batch=2, progress=False
    )
    light = k.with_adapter(taught)

    def draw(model: kn.Kandinsky) -> None:
        model.forget()
        kn.generate(model, params, progress=False)

    draw(light)
    return kn.pair(lambda: draw(light), lambda: draw(k), repeats)
