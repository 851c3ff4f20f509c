"""The classifier of events: any modality and form, missing ones, what a gate makes of the views, and its disk form."""

import math
from dataclasses import replace

import pytest
import torch

from data.errors import Damaged, WrongUse
from data.forms import Form
from data.records import Batch
from pipelines.training.events.losses import Told, divergence, hidden_of, loss_of
from pipelines.training.events.measuring import LABEL, attacked_in, believing, trials_of
from pipelines.training.events.options import EventOptions
from pipelines.training.models.classifier import ClassifierShape
from pipelines.training.models.encoders import Spectrogram
from pipelines.training.models.fusion import Fusion, FusionShape, load_fusion, save_fusion

FORMS = {
    "image": Form((3, 64, 40)),
    "features": Form((12, 5), unit=(1.0, 2.0, 3.0, 4.0, 5.0)),
    "audio": Form((1, 2000), rate=8000),
    "text": Form((30,)),
}
SHAPE = FusionShape(FORMS, classes=3, features=4, hidden=8)


def inputs(count: int = 4) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    text = torch.randint(97, 123, (count, 30), generator=rng, dtype=torch.uint8)
    found = {name: torch.rand(count, *FORMS[name].shape, generator=rng) for name in FORMS if name != "text"}
    return {**found, "text": text}


def made(shape: FusionShape, seed: int = 0) -> Fusion:
    torch.manual_seed(seed)
    model = Fusion(shape).eval()
    for vector in model.nulls.values():
        torch.nn.init.normal_(vector)
    return model.requires_grad_(False)


@pytest.mark.parametrize("gate", [False, True])
def test_it_comes_back_from_disk_as_it_was(gate, tmp_path):
    model = made(replace(SHAPE, gate=gate))

    digest = save_fusion(tmp_path / "model.safetensors", model)

    again = load_fusion(tmp_path / "model.safetensors")
    assert torch.equal(again(inputs()), model(inputs()))
    assert again.shape == model.shape
    assert digest == save_fusion(tmp_path / "again.safetensors", again)


def test_what_is_no_classifier_of_events_is_damaged(tmp_path):
    from pipelines.training.models.classifier import Classifier, save_classifier

    save_classifier(tmp_path / "image.safetensors", Classifier(ClassifierShape(1, 8, 8, 3)))

    with pytest.raises(Damaged, match="holds no classifier of events"):
        load_fusion(tmp_path / "image.safetensors")


@pytest.mark.parametrize("name", FORMS)
def test_a_missing_modality_is_the_learned_vector_whatever_lay_there(name):
    model, x = made(SHAPE), inputs()

    other = {**x, name: x[name].flip(0)}

    assert torch.equal(model.without(x, [name]), model.without(other, [name]))
    hidden = {each: torch.full((4,), each == name) for each in FORMS}
    assert torch.allclose(model.opinions(x, hidden).joint, model.without(x, [name]), atol=1e-6)
    assert not torch.equal(model(x), model(other))


@pytest.mark.parametrize("name", ["image", "features", "audio"])
def test_held_encodings_change_no_answer_and_no_gradient(name):
    model, x = made(SHAPE), inputs()
    x[name].requires_grad_(True)

    (slow,) = torch.autograd.grad(model(x).sum(), x[name])
    (fast,) = torch.autograd.grad(model(model.holding(x, name)).sum(), x[name])

    assert torch.equal(model(model.holding(x, name)), model(x))
    assert torch.equal(slow, fast)


def test_a_modality_without_an_encoder_is_refused():
    with pytest.raises(WrongUse, match="no encoder of smell: there is one of image, features, audio, text"):
        Fusion(FusionShape({"smell": Form((3,))}, 2))


def test_sound_below_the_floor_is_heard_as_silence():
    # Amplitude 0.001 is a power of (128 / 2 * 0.001) ** 2 = 0.0041 in a Hann window: 5.1 or 1.041 times the floor.
    tone = 1e-3 * torch.sin(torch.arange(4000)[None, None] * 2 * torch.pi / 8)

    heard = [Spectrogram(floor)(tone) - Spectrogram(floor)(torch.zeros_like(tone)) for floor in (1e-3, 0.1)]

    assert heard[0][:, 32].max().item() == pytest.approx(math.log(5.1), abs=0.01)
    assert heard[1][:, 32].max().item() == pytest.approx(0.04, abs=0.001)


def test_a_gate_that_is_sure_of_one_view_gives_that_view():
    model, x = made(replace(SHAPE, gate=True)), inputs()
    model.odd[-1].weight.zero_()

    for view, missing in enumerate([[], *([name] for name in sorted(FORMS))]):
        model.odd[-1].bias.copy_(torch.nn.functional.one_hot(torch.tensor(view), 5) * 100.0)
        plain = Fusion(SHAPE).eval()
        plain.load_state_dict({name: value for name, value in model.state_dict().items() if "odd" not in name})
        assert torch.allclose(model(x), plain.without(x, missing).log_softmax(1), atol=1e-5)


def test_an_adaptive_attack_climbs_the_margin_of_a_view_and_the_gates_belief_in_it():
    model, x, y = made(replace(SHAPE, gate=True)), inputs(), torch.tensor([0, 1, 2, 0])

    climbed = believing(model, 2)({**x, LABEL: y})

    said = model.opinions(x)
    gain = climbed - said.views[:, 2]
    believed = said.gate.log_softmax(1)[:, 2]
    assert torch.allclose(gain.gather(1, y[:, None]), torch.zeros(4, 1))
    assert torch.allclose(gain.sum(1), 2 * believed, atol=1e-5)


def test_a_gated_classifier_is_attacked_through_its_gate_too():
    options = EventOptions(epsilon={"image": 0.1, "features": 0.5}, steps=3, restarts=1)
    names = [trial.name for trial in trials_of(made(replace(SHAPE, gate=True)), "image", options)]

    assert names[:2] == ["pgd", "margin"] == [trial.name for trial in trials_of(made(SHAPE), "image", options)]
    assert len(names) == 2 + 2 * 5


def test_attacks_break_what_they_can_reach_in_one_modality_and_count_it():
    forms = {"image": Form((1, 2, 2)), "features": Form((3,), unit=(1.0, 1.0, 1.0))}
    model = made(FusionShape(forms, 3, 4, 8))
    rng = torch.Generator().manual_seed(1)
    x = {"image": torch.rand(20, 1, 2, 2, generator=rng), "features": torch.randn(20, 3, generator=rng)}
    batch = Batch(tuple(f"e{n}" for n in range(20)), x, model(x).argmax(1))

    far = attacked_in(model, batch, "features", EventOptions({"features": 30.0}, steps=20), torch.Generator())
    near = attacked_in(model, batch, "features", EventOptions({"features": 1e-6}, steps=20), torch.Generator())

    assert near.robust.all()
    assert not far.robust.all()
    assert sum(far.broken.values()) == 20 - int(far.robust.sum())
    assert torch.equal(model(far.worst).argmax(1) == batch.labels, far.robust)
    assert torch.equal(far.worst["image"], x["image"])
    assert (far.worst["features"] - x["features"]).abs().max() <= 30.0 * (1 + 1e-4)


def test_dropout_hides_at_most_one_modality_of_an_event_and_each_as_often():
    hidden = hidden_of(["a", "b"], 20_000, 0.4, torch.Generator().manual_seed(0))

    assert not (hidden["a"] & hidden["b"]).any()
    assert [side.float().mean().item() for side in hidden.values()] == pytest.approx([0.2, 0.2], abs=0.01)


def test_the_divergence_of_two_predictions_is_symmetric_and_known():
    even, sure = torch.zeros(1, 2), torch.tensor([[0.0, 3.0]]).exp().log()

    p = sure.softmax(1)[0, 1].item()
    by_hand = (p - 0.5) * 3.0  # sum of (p - q) (log p - log q)

    assert divergence(even, sure).item() == pytest.approx(by_hand, rel=1e-5) == divergence(sure, even).item()


def test_options_of_the_trainer_add_to_the_loss_what_they_name():
    model, x = made(SHAPE), inputs()
    told, rng = Told(torch.tensor([0, 1, 2, 0]), None, torch.zeros(4, dtype=torch.int64)), torch.Generator()
    bare = EventOptions(dropout=0.0, heads=0.0, consistency=0.0)

    plain = loss_of(model, x, told, bare, rng)

    said = model.opinions(x)
    heads = sum(torch.nn.functional.cross_entropy(alone, told.labels) for alone in said.alone.values())
    apart = divergence(*said.alone.values()).mean()
    assert plain.item() == pytest.approx(torch.nn.functional.cross_entropy(said.joint, told.labels).item())
    assert (loss_of(model, x, told, replace(bare, heads=0.5), rng) - plain).item() == pytest.approx(heads.item() / 2)
    assert (loss_of(model, x, told, replace(bare, consistency=2.0), rng) - plain).item() == pytest.approx(
        2 * apart.item(), rel=1e-4
    )
