import pytest
import torch

from data.errors import Damaged
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape, load_classifier, save_classifier
from pipelines.training.participants import load_gan

SHAPE = ClassifierShape(channels=1, height=4, width=4, classes=3, features=2)


def test_a_classifier_comes_back_the_same_frozen_and_in_eval_mode(tmp_path, rng):
    model = Classifier(SHAPE)
    x = torch.rand(5, 1, 4, 4, generator=rng)

    save_classifier(tmp_path / "m.safetensors", model)
    loaded = load_classifier(tmp_path / "m.safetensors")

    assert torch.equal(loaded(x), model(x))
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_same_network_gives_the_same_bytes(tmp_path):
    model = Classifier(SHAPE)

    digests = {save_classifier(tmp_path / f"{n}.safetensors", model) for n in range(3)}

    assert len(digests) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
@pytest.mark.parametrize("load", [load_classifier, load_gan, checkpoints.load])
def test_a_checkpoint_that_is_missing_cut_or_foreign_is_named(tmp_path, load, content):
    path = tmp_path / "m.safetensors"
    if content is None:
        save_classifier(path, Classifier(SHAPE))
        content = path.read_bytes()[:-10]
    path.write_bytes(content)

    with pytest.raises(Damaged, match=r"m\.safetensors is no readable checkpoint .*: delete it and run again"):
        load(path)


def test_a_generator_is_no_classifier(tmp_path):
    save_classifier(tmp_path / "m.safetensors", Classifier(SHAPE))

    with pytest.raises(Damaged, match="holds no generator"):
        load_gan(tmp_path / "m.safetensors")
