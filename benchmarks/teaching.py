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
    from kandi_nb.mini.world import traffic_lights
    from kandi_nb.tasks.teaching.dataset import read_dataset
    from kandi_nb.tasks.teaching.losses import BATCHES, part_loss
    from kandi_nb.tasks.teaching.prepared import prepare
    from kandi_nb.tasks.teaching.training import Schedule, Training, over_the_same_weights

    size = BATCHES["decoder"][0]
    examples = read_dataset(*traffic_lights.lessons(PICTURES))
    with k.alone():
        prepared = prepare(k, examples, False)
    ours = part_loss("decoder", k, prepared, size)

    def naive(network: Any, generator: Any) -> Any:
        with k.alone():
            fresh = prepare(k, examples[:size], False)
        return part_loss("decoder", k, fresh, size)(network, generator)

    def training(loss: Any) -> Any:
        schedule = Schedule("decoder", 10**6, 0.0, 8, 1.0, 2e-3, 0)
        return Training(schedule, over_the_same_weights(k, k.decoder.unet), loss)

    def steps(side: Any) -> None:
        for _ in range(STEPS):
            side.step()

    sides = training(naive), training(ours)
    for side in sides:
        side.step()  # the first one chooses algorithms
    return kn.pair(lambda: steps(sides[0]), lambda: steps(sides[1]), repeats), STEPS * size


def adapter(k: kn.Kandinsky, params: kn.Params, repeats: int) -> Any:
    """Return the measured pair of a picture with an adapter and without one."""
    from kandi_nb.mini.world import traffic_lights

    taught = kn.teach(
        k,
        *traffic_lights.lessons(2),
        steps={"prior": 1, "decoder": 1},
        batch=2,
        progress=False,
    )
    light = k.with_adapter(taught)

    def draw(model: kn.Kandinsky) -> None:
        model.forget()
        kn.generate(model, params, progress=False)

    draw(light)
    return kn.pair(lambda: draw(light), lambda: draw(k), repeats)
