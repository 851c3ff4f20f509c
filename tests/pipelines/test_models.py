"""Models that somebody brought: opened as they are, or refused with what to do."""

import json
import warnings
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import nn

from data.errors import WrongUse
from generators.attacks.pgd import pgd
from generators.margins import margins_of
from generators.options import Ball
from pipelines.training.models.locating import ModelOptions, digest_of_model
from pipelines.training.models.opening import open_model

SHAPE, NAMES = (1, 4, 4), ("cat", "dog", "owl")


class Picture(nn.Module):
    """Three logits, linear in the pixels; a switch breaks it in one way."""

    def __init__(self, classes=3, fault=""):
        super().__init__()
        self.fault = fault
        self.norm = nn.BatchNorm2d(1)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.line = nn.Linear(16, classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        logits = self.line(self.dropout(self.norm(x)).flatten(1))
        if self.fault == "softmax":
            return logits.softmax(1)
        if self.fault == "infinite":
            return logits / 0
        if self.fault == "argmax":
            return nn.functional.one_hot(logits.argmax(1), 3).float() * 4
        if self.fault == "detach":
            return logits.detach()
        if self.fault == "pair":
            return logits, logits
        return logits[0] if self.fault == "one" else logits


BATCH = torch.export.Dim("batch")


def exported(path, model, *, dimension=BATCH, shape=SHAPE, **sidecar):
    """Export `model` to `path`, its sidecar beside it."""
    dimensions = ({0: dimension},) if dimension else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (torch.rand(2, *shape),), dynamic_shapes=dimensions)
        torch.export.save(program, path)
    if sidecar:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    return ModelOptions(str(path))


def test_an_exported_model_answers_as_the_original_does_and_lets_gradients_through(tmp_path):
    original = Picture().eval()
    options = exported(tmp_path / "m.pt2", original)

    model = open_model(options, SHAPE, NAMES)

    x = torch.rand(5, *SHAPE, requires_grad=True)
    assert torch.allclose(model(x), original(x), atol=1e-6)
    assert torch.autograd.grad(model(x).sum(), x)[0].any()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.train().training


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"low": -1, "high": 1}, lambda x: 2 * x - 1),
        ({"low": 0, "high": 255}, lambda x: 255 * x),
        ({"mean": [0.25], "std": [0.5]}, lambda x: (x - 0.25) / 0.5),
        ({}, lambda x: x),
    ],
)
def test_the_input_range_that_the_sidecar_states_is_what_the_model_gets(said, expected, tmp_path):
    original = Picture().eval()
    options = exported(tmp_path / "m.pt2", original, size=4, **said)
    x = torch.rand(3, *SHAPE)

    model = open_model(options, SHAPE, NAMES)

    assert torch.allclose(model(x), original(expected(x)), atol=1e-4)


def test_an_option_prevails_over_the_sidecar(tmp_path):
    original = Picture().eval()
    exported(tmp_path / "m.pt2", original, mean=[0.25], std=[0.5])
    x = torch.rand(3, *SHAPE)

    model = open_model(ModelOptions(str(tmp_path / "m.pt2"), low=-1, high=1), SHAPE, NAMES)

    assert torch.allclose(model(x), original(2 * x - 1), atol=1e-5)


def test_classes_in_another_order_are_put_in_the_source_s(tmp_path):
    original = Picture().eval()
    options = exported(tmp_path / "m.pt2", original, class_names=["owl", "cat", "dog"])
    x = torch.rand(3, *SHAPE)

    model = open_model(options, SHAPE, NAMES)

    assert torch.allclose(model(x), original(x)[:, [1, 2, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"class_names": ["cat", "dog", "cow"]}, "has the classes cat, dog, cow, the source cat, dog, owl"),
        ({"size": 32}, "takes images of size 32, the source's are 1 x 4 x 4: --source.size 32"),
        ({"channels": 3}, "takes images of 3 channels, the source's are 1 x 4 x 4: --source.channels 3"),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, "has a mean for 3 channels"),
        ({"mean": [0], "std": [0]}, "std must be > 0"),
        ({"low": 0, "high": 1, "mean": [0], "std": [1]}, "not both"),
        ({"low": 1, "high": 0}, "low must be < high, got 1.0 and 0.0"),
        ({"low": 1}, "low and high come together"),
        ({"sizes": 4}, "holds sizes; a model is described by low, high, mean, std, size, channels, class_names"),
        ({"size": "big"}, "size: Input should be a valid integer"),
    ],
)
def test_a_sidecar_that_does_not_suit_is_refused(said, message, tmp_path):
    options = exported(tmp_path / "m.pt2", Picture().eval(), **said)

    with pytest.raises(WrongUse) as refused:
        open_model(options, SHAPE, NAMES)

    assert message in str(refused.value)


def test_a_sidecar_that_is_no_json_is_refused(tmp_path):
    options = exported(tmp_path / "m.pt2", Picture().eval())
    (tmp_path / "m.json").write_text("low: -1")

    with pytest.raises(WrongUse, match=r"m.json is no JSON object of low, high, mean, std"):
        open_model(options, SHAPE, NAMES)


def test_a_sidecar_that_is_named_must_be_there(tmp_path):
    options = exported(tmp_path / "m.pt2", Picture().eval())

    with pytest.raises(WrongUse, match=r"there is no file /nowhere.json, which --model.sidecar names"):
        open_model(replace(options, sidecar="/nowhere.json"), SHAPE, NAMES)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Picture(classes=5).eval(), "with 3 x 5; it must be 3 x 3: a logit for each of the source's 3 classes"),
        (Picture(fault="softmax").eval(), "answers with probabilities: take its softmax away"),
        (Picture(fault="infinite").eval(), "is its input range right?"),
        (Picture(fault="argmax").eval(), "lets no gradient reach its input"),
        (Picture(fault="detach").eval(), "lets no gradient reach its input"),
        (Picture(fault="pair").eval(), "with tuple; it must be 3 x 3"),
        (Picture(fault="one").eval(), "with 3; it must be 3 x 3"),
        (Picture().train(), "call model.eval() before torch.export.export"),
    ],
)
def test_a_model_that_cannot_be_attacked_is_refused_with_what_to_do(model, message, tmp_path):
    options = exported(tmp_path / "m.pt2", model)

    with pytest.raises(WrongUse) as refused:
        open_model(options, SHAPE, NAMES)

    assert message in str(refused.value)
    assert str(tmp_path / "m.pt2") in str(refused.value)


def test_batch_norm_that_was_exported_in_training_mode_is_noticed(tmp_path):
    model = Picture().train()
    model.dropout.eval()

    with pytest.raises(WrongUse, match=r"in another batch: call model\.eval\(\) before"):
        open_model(exported(tmp_path / "m.pt2", model), SHAPE, NAMES)


def test_a_model_of_one_batch_size_is_refused(tmp_path):
    options = exported(tmp_path / "m.pt2", Picture().eval(), dimension=None)

    with pytest.raises(WrongUse, match="exported for batches of 2 only: export it with a dynamic batch, dyn"):
        open_model(options, SHAPE, NAMES)


def test_a_model_of_small_batches_is_refused(tmp_path):
    options = exported(tmp_path / "m.pt2", Picture().eval(), dimension=torch.export.Dim("batch", max=64))

    with pytest.raises(WrongUse, match=r"exported for batches of at most 64: leave max away from torch.export.Dim"):
        open_model(options, SHAPE, NAMES)


def test_a_model_of_larger_images_is_refused_with_the_options_that_mend_it(tmp_path):
    larger = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    options = exported(tmp_path / "m.pt2", larger, shape=(3, 8, 8))

    with pytest.raises(
        WrongUse, match=r"images of 3 x 8 x 8, the source's are 1 x 4 x 4: --source.size 8 --source.cha"
    ):
        open_model(options, SHAPE, NAMES)


FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3))

def text():
    return "no module"
"""


@pytest.fixture
def brought(workplace):
    """A module in the current folder, and weights for what it makes; a name of its own each time."""
    name = f"theirs_{abs(hash(str(workplace)))}"
    (workplace / f"{name}.py").write_text(FACTORY)
    original = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3)).eval()
    safetensors.torch.save_model(original, str(workplace / "w.safetensors"))
    return name, original


def test_a_factory_of_the_current_folder_gets_its_weights_and_is_put_into_eval_mode(brought):
    name, original = brought
    x = torch.rand(3, *SHAPE)

    model = open_model(ModelOptions(f"{name}:build", "w.safetensors"), SHAPE, NAMES)

    assert torch.equal(model(x), original(x))


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nowhere_at_all:build", "no module nowhere_at_all in"),
        ("THEIRS:missing", "fails: AttributeError"),
        ("THEIRS:text", "must return a torch.nn.Module, got str"),
    ],
)
def test_a_factory_that_makes_no_model_is_named(factory, message, brought):
    options = ModelOptions(factory.replace("THEIRS", brought[0]), "w.safetensors")

    with pytest.raises(WrongUse, match=message):
        open_model(options, SHAPE, NAMES)


def test_weights_of_another_network_are_refused(brought, workplace):
    safetensors.torch.save_model(nn.Linear(2, 2), str(workplace / "w.safetensors"))

    with pytest.raises(WrongUse, match=r"w.safetensors does not fit what theirs_\d+:build makes"):
        open_model(ModelOptions(f"{brought[0]}:build", "w.safetensors"), SHAPE, NAMES)


def test_the_digest_follows_the_weights_the_description_and_the_factory_s_code(brought, workplace):
    options = ModelOptions(f"{brought[0]}:build", "w.safetensors")
    digests = [digest_of_model(options), digest_of_model(options)]

    (workplace / "w.json").write_text('{"low": -1, "high": 1}')
    digests.append(digest_of_model(options))
    (workplace / f"{brought[0]}.py").write_text(FACTORY + "\n")
    digests.append(digest_of_model(options))
    safetensors.torch.save_model(nn.Linear(2, 2), str(workplace / "w.safetensors"))
    digests.append(digest_of_model(options))

    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "m.pth"}, "must be a torch.export program, .pt2, or module:factory, got 'm.pth'"),
        ({"path": "theirs:build"}, "model.weights is missing"),
        ({"path": "m.pt2", "weights": "w.safetensors"}, "m.pt2 holds its own"),
        ({"low": 0.0}, "model.path is missing"),
    ],
)
def test_options_that_name_no_model_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ModelOptions(**options)


def test_a_brought_model_is_attacked_like_any_other(tmp_path, rng):
    options = exported(tmp_path / "m.pt2", Picture().eval())
    model = open_model(options, SHAPE, NAMES)
    x = torch.rand(64, *SHAPE, generator=rng)
    y = model(x).argmax(1)

    x_adv = pgd(model, x, y, Ball(epsilon=0.3), rng)

    assert (margins_of(model(x_adv), y) < margins_of(model(x), y) - 0.01).all()
    assert ((x_adv - x).abs() <= 0.3 + 1e-6).all()
