"""The prior on the tokens that texts have: the same embeddings from less work."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import PriorTransformer

from kandi_nb import load
from kandi_nb.model.speed.padding import skip_padding

PLACES = 77


def prior() -> PriorTransformer:
    torch.manual_seed(0)
    made = PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        embedding_dim=16,
        num_embeddings=PLACES,
        additional_embeddings=4,
    )
    made.positional_embedding.data.normal_()  # zeros at first, which would fit any place
    made.prd_embedding.data.normal_()
    return made.eval()


def asked(*lengths: int) -> dict:
    """Return what the pipelines give for texts of some lengths in tokens."""
    draw = torch.Generator().manual_seed(1)
    count = len(lengths)
    return {
        "hidden_states": torch.randn(count, 16, generator=draw),
        "timestep": 500,
        "proj_embedding": torch.randn(count, 16, generator=draw),
        "encoder_hidden_states": torch.randn(count, PLACES, 16, generator=draw),
        "attention_mask": torch.arange(PLACES) < torch.tensor(lengths)[:, None],
    }


def watched(made: PriorTransformer) -> list[int]:
    """Return a list that grows by the number of places that each call works on."""
    seen = []
    made.transformer_blocks[0].register_forward_pre_hook(
        lambda block, args: seen.append(args[0].shape[1])
    )
    return seen


@pytest.mark.parametrize("lengths", [(2, 9), (12,), (3, 30, 2), (2, 76), (1, 77)], ids=str)
def test_the_embeddings_stay_and_the_work_shrinks(lengths):
    usual, short = prior(), prior()
    skip_padding(short)
    seen = watched(short)
    with torch.no_grad():
        one = usual(**asked(*lengths)).predicted_image_embedding
        other = short(**asked(*lengths)).predicted_image_embedding
        again = short(**asked(*lengths)).predicted_image_embedding
    assert seen == [max(lengths) + 4] * 2
    assert one.std() > 0.1
    assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(other, again)
    assert torch.equal(short.positional_embedding, usual.positional_embedding)
    assert short.causal_attention_mask.shape == (1, PLACES + 4, PLACES + 4)


def test_texts_of_nothing_are_left_as_they_are():
    made = prior()
    skip_padding(made)
    seen = watched(made)
    with torch.no_grad():
        made(**asked(0, 0))
        made(**asked(3) | {"attention_mask": None})
    assert seen == [PLACES + 4] * 2


def test_training_reaches_every_place():
    made = prior()
    skip_padding(made)
    seen = watched(made)
    made(**asked(5)).predicted_image_embedding.sum().backward()
    assert seen == [PLACES + 4]
    assert made.positional_embedding.grad.shape == (1, PLACES + 4, 16)


def test_an_error_leaves_the_prior_whole():
    made = prior()
    skip_padding(made)
    whole = made.positional_embedding
    with torch.no_grad(), pytest.raises(RuntimeError):
        made(**asked(5) | {"proj_embedding": torch.zeros(1, 3)})
    assert made.positional_embedding is whole
    with torch.no_grad():
        assert made(**asked(5)).predicted_image_embedding.isfinite().all()


def test_an_interrupt_leaves_the_prior_whole():
    network = prior()
    skip_padding(network)
    position, causal = network.positional_embedding, network.causal_attention_mask

    def interrupt(*call):
        raise KeyboardInterrupt

    with torch.no_grad():
        usual = network(**asked(5)).predicted_image_embedding
        hook = network.transformer_blocks[1].register_forward_pre_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            network(**asked(5))
        hook.remove()
        assert network.positional_embedding is position
        assert network.causal_attention_mask is causal
        assert torch.equal(network(**asked(5)).predicted_image_embedding, usual)


def test_the_prior_is_never_cut_itself_not_even_for_a_moment():
    """So that an interrupt at any line, or a look from another thread, finds it whole."""
    network = prior()
    skip_padding(network)
    position, during = network.positional_embedding, []
    network.transformer_blocks[0].register_forward_pre_hook(
        lambda *call: during.append(network.positional_embedding)
    )
    with torch.no_grad():
        network(**asked(5))
    assert len(during) == 1
    assert during[0] is position


def test_a_copy_of_the_prior_works_on_its_own_weights():
    network = prior()
    skip_padding(network)
    other = copy.deepcopy(network)
    other.positional_embedding.data.zero_()
    with torch.no_grad():
        one, two = (n(**asked(5)).predicted_image_embedding for n in (network, other))
    assert not torch.allclose(one, two, atol=1e-3)


def test_loaded_priors_skip_and_can_be_saved(tmp_path):
    k = load("mini-2.2", device="cpu")
    seen = watched(k.prior.prior)
    k.prior("a red fox", num_inference_steps=2)
    assert len(seen) == 2
    assert max(seen) < 20
    k.prior.prior.save_pretrained(tmp_path)
    again = PriorTransformer.from_pretrained(tmp_path)
    assert torch.equal(again.positional_embedding, k.prior.prior.positional_embedding)
    assert again.positional_embedding.shape[1] == PLACES + 4
