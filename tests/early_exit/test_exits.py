import threading

import pytest
import torch
from torch import nn

from imprint.early_exit import EarlyExit, WithExits
from imprint.early_exit.answerers import Exit
from imprint.early_exit.exits import early_exits
from imprint.early_exit.heads import Head, head_logits, margins
from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.skipping import SkipGate

IMAGES = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
SHAPES = {"layer1": (16, 32, 32), "layer2": (32, 16, 16)}


@pytest.fixture
def model():
    return build_model("resnet20", (3, 32, 32), 10).eval()


def head_of(width, seed):
    generator = torch.Generator().manual_seed(seed)
    return Head(
        torch.randn(10, 2 * width, generator=generator), torch.randn(10, generator=generator)
    )


@torch.no_grad()
def exits_of(model, share=0.4):
    """Exits at two layers, each sure of about a share of the images."""
    found = []
    for seed, (layer, shape) in enumerate(SHAPES.items()):
        head = head_of(shape[0], seed)
        maps = model.stem(IMAGES)
        for name in list(SHAPES)[: seed + 1]:
            maps = getattr(model, name)(maps)
        sure = margins(head_logits(maps, head))
        found.append(Exit(layer, shape, head, float(sure.quantile(1 - share))))
    return found


def trace_of(model):
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [len(module._forward_hooks) for module in model.modules()],
        dict(model.__dict__).keys(),
        torch.get_rng_state().tolist(),
    )


@torch.no_grad()
def answers_by_hand(model, exits, images):
    """Image by image: the first exit that is sure, else the end."""
    answers, taken = [], []
    for image in images:
        maps = model.stem(image[None])
        for number, own in enumerate(exits):  # noqa: B007
            maps = getattr(model, own.layer)(maps)
            logits = head_logits(maps, own.head)
            if margins(logits) >= own.threshold:
                break
        else:
            number, logits = len(exits), model(image[None])
        answers.append(logits)
        taken.append(number)
    return torch.cat(answers), torch.tensor(taken)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_answers_are_those_of_each_image_alone(model, size):
    exits, routes = exits_of(model), []
    expected, taken = answers_by_hand(model, exits, IMAGES)
    with torch.no_grad(), early_exits(model, exits, routes.append):
        logits = torch.cat([model(images) for images in IMAGES.split(size)])
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert torch.cat([route.taken for route in routes]).equal(taken)
    assert set(taken.tolist()) == {0, 1, 2}  # all three ways were tried


def test_where_none_is_left_the_rest_does_not_run(model):
    calls = []
    model.layer3.register_forward_hook(lambda *_: calls.append(1))
    first = exits_of(model)[0]
    everything = [Exit(first.layer, first.shape, first.head, 0.0)]
    with torch.no_grad(), early_exits(model, everything):
        assert model(IMAGES).shape == (12, 10)
    assert calls == []


def test_an_empty_batch_has_empty_answers(model):
    with torch.no_grad(), early_exits(model, exits_of(model)):
        assert model(IMAGES[:0]).shape == (0, 10)


def test_closed_exits_change_no_bit(model):
    closed = [Exit(own.layer, own.shape, own.head, torch.inf) for own in exits_of(model)]
    routes = []
    with torch.no_grad():
        plain = model(IMAGES)
        with early_exits(model, closed, routes.append):
            assert model(IMAGES).equal(plain)
        with early_exits(model, [], routes.append):
            assert model(IMAGES).equal(plain)
    assert [route.taken.unique().tolist() for route in routes] == [[2], [0]]


@pytest.mark.parametrize("ends", ["well", "in an error", "in an error of the model"])
def test_a_guest_is_left_as_it_was(model, ends):
    before = trace_of(model)
    wrong = torch.zeros(2, 3, 16, 16)
    try:
        with torch.no_grad(), early_exits(model, exits_of(model)):
            model(wrong if ends == "in an error of the model" else IMAGES)
            if ends == "in an error":
                raise KeyError
    except (KeyError, InvalidValueError):
        assert ends != "well"
    assert trace_of(model) == before


def test_a_forward_of_the_objects_own_is_put_back(model):
    own = model.forward = lambda images: nn.Sequential.forward(model, images)
    with early_exits(model, exits_of(model)):
        assert model.forward is not own
    assert model.forward is own


def test_nan_is_never_answered_early(model):
    first = exits_of(model)[0]
    images = IMAGES[:3].clone()
    images[1] = torch.nan
    routes = []
    everything = [Exit(first.layer, first.shape, first.head, 0.0)]
    with torch.no_grad(), early_exits(model, everything, routes.append):
        logits = model(images)
    assert routes[0].taken.tolist() == [0, 1, 0]
    assert logits.isnan().any(1).tolist() == [False, True, False]


def test_gradients_lead_through_the_branch_that_answers(model):
    exits, images = exits_of(model), IMAGES.clone().requires_grad_()
    routes = []
    with early_exits(model, exits, routes.append):
        model(images).sum().backward()
    assert (images.grad.abs().flatten(1).amax(1) > 0).all()
    assert model.linear.weight.grad is not None
    assert {0, 1, 2} == set(routes[0].taken.tolist())


def test_threads_do_not_mix_their_rows(model):
    exits = exits_of(model)
    expected, _ = answers_by_hand(model, exits, IMAGES)
    found = {}

    def work(number):
        with torch.no_grad():
            found[number] = torch.cat([model(IMAGES[number::4]) for _ in range(5)])

    with early_exits(model, exits):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(4):
        torch.testing.assert_close(
            found[number], expected[number::4].repeat(5, 1), rtol=1e-4, atol=1e-4
        )


def test_outputs_in_a_structure_give_their_logits(model):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, images):
            return {"logits": self.inner(images)}

    wrapped = Wrapped().eval()
    own = [
        Exit(f"inner.{own.layer}", own.shape, own.head, own.threshold) for own in exits_of(model)
    ]
    expected, _ = answers_by_hand(model, exits_of(model), IMAGES)
    with torch.no_grad(), early_exits(wrapped, own):
        torch.testing.assert_close(wrapped(IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_mistakes_are_told(model):
    exits = exits_of(model)
    with (
        pytest.raises(LayerError, match="'nowhere'"),
        early_exits(model, [Exit("nowhere", (1,), exits[0].head, 0.0)]),
    ):
        pass
    with early_exits(model, exits):
        with (
            pytest.raises(LayerError, match="expected one without open exits"),
            early_exits(model, []),
        ):
            pass
        with pytest.raises(InvalidValueError, match=r"maps \(16, 32, 32\) at 'layer1'.* \(16, 48"):
            model(torch.rand(2, 3, 48, 48))
        model.train()
        with pytest.raises(InvalidValueError, match="eval mode"):
            model(IMAGES)


def test_a_layer_that_runs_by_itself_gives_its_own_maps(model):
    first = exits_of(model)[0]
    with torch.no_grad(), early_exits(model, [Exit(first.layer, first.shape, first.head, 0.0)]):
        assert model.layer1(model.stem(IMAGES)).shape == (12, 16, 32, 32)


def test_a_gate_and_exits_do_not_shrink_the_same_batches(model):
    gate, labels = SkipGate(model, layer="layer1", num_classes=10), torch.zeros(12).long()
    with (
        pytest.raises(LayerError, match="model: expected one without open exits"),
        early_exits(model, exits_of(model)),
        gate(labels),
    ):
        pass
    whole = nn.Sequential(model).eval()
    with pytest.raises(LayerError, match="an open gate, got"), gate(labels), early_exits(whole, []):
        pass
    with gate(labels):
        model(IMAGES)
    assert "imprint_holder" not in model.__dict__


def test_autocast_takes_no_digits_off_the_margins(model):
    heads = [head_of(16, 0)]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        maps = model.layer1(model.stem(IMAGES))
    sure = margins(head_logits(maps, heads[0]))
    own = Exit("layer1", (16, 32, 32), heads[0], float(sure.max()))
    routes = []
    lower = torch.autocast("cpu", torch.bfloat16)
    with torch.no_grad(), lower, early_exits(model, [own], routes.append):
        model(IMAGES)
    assert routes[0].taken.equal((sure < sure.max()).long())


def test_threads_may_share_a_model_with_exits(model):
    exits = EarlyExit(tuple(exits_of(model)))
    expected, _ = answers_by_hand(model, exits.exits, IMAGES)
    served, found = WithExits(model, exits).eval(), {}

    def work(number):
        with torch.no_grad():
            found[number] = torch.cat([served(IMAGES) for _ in range(4)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        torch.testing.assert_close(found[number], expected.repeat(4, 1), rtol=1e-4, atol=1e-4)
    assert not model.layer1._forward_hooks
    with pytest.raises(RuntimeError):
        served(torch.zeros(1, 1))
    assert not model.layer1._forward_hooks


def test_outputs_that_are_no_logits_are_an_error():
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    with (
        pytest.raises(InvalidValueError, match=r"logits \(N, K\).* \(12, 4, 30, 30\)"),
        early_exits(model, []),
    ):
        model(IMAGES)


def test_a_compiled_model_answers_early_too(model):
    exits = exits_of(model)
    expected, taken = answers_by_hand(model, exits, IMAGES)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager")
    own = [Exit(f"_orig_mod.{e.layer}", e.shape, e.head, e.threshold) for e in exits]
    routes = []
    with torch.no_grad():
        with early_exits(compiled, own, routes.append):
            logits = compiled(IMAGES)
            everything = compiled(IMAGES[taken == 0])
        torch.testing.assert_close(compiled(IMAGES), model(IMAGES))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(everything, expected[taken == 0], rtol=1e-4, atol=1e-4)
    assert routes[0].taken.equal(taken)
    torch.compiler.reset()


def test_a_model_that_was_compiled_without_its_exits_says_what_to_do(model):
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager")
    own = [Exit(f"_orig_mod.{e.layer}", e.shape, e.head, e.threshold) for e in exits_of(model)]
    with torch.no_grad():
        compiled(IMAGES)
        with (
            pytest.raises(LayerError, match=r"'_orig_mod.layer1': .*torch.compiler.reset\(\)"),
            early_exits(compiled, own),
        ):
            compiled(IMAGES)
    torch.compiler.reset()  # as it says
