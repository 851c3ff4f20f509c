import json
from dataclasses import asdict, replace
from pathlib import Path

import masked
import pytest
import torch

from generators import masking
from generators.masking import Broken, check_masking, checks_of, try_attacks
from generators.neighbours import soft_neighbours
from generators.options import Ball
from generators.pairs import chance_of
from generators.symptoms import (
    forward_computes_no_gradient,
    forward_repeats,
    gradient_is_there,
    gradients_of,
    more_than_a_point,
    outputs_are_logits,
)

DIRECT = {
    "logits x 1000": "gradient is there",
    "softmax output": "outputs are logits",
    "quantised input": "gradient is there",
    "noise at inference": "forward repeats",
    "test-time optimisation": "forward computes no gradient",
}
"""The check that sees each mask by itself."""


def first_of(broken: int, of: int = 200) -> torch.Tensor:
    """Flags of samples, the first `broken` of which broke."""
    return torch.arange(of) < broken


@pytest.fixture
def honest() -> Broken:
    """What attacks break of an honest model: the single step less, the blind ones much less, a large radius all."""
    radii = ((0.05, first_of(30)), (0.1, first_of(80)), (0.2, first_of(180)), (1.0, first_of(200)))
    return Broken(first_of(70), first_of(80), first_of(40), first_of(60), radii)


def fired(broken: Broken) -> list[str]:
    return [check.name for check in checks_of(broken) if not check.passed]


def images(count: int = 20) -> torch.Tensor:
    return torch.rand(count, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def test_an_honest_pattern_of_successes_passes_every_check(honest):
    assert fired(honest) == []


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        ("single", "many steps beat one"),
        ("transferred", "gradient beats transfer"),
        ("queried", "gradient beats queries"),
    ],
)
@pytest.mark.parametrize(("more", "flagged"), [(0, False), (6, False), (7, True), (60, True)])
def test_a_weaker_attack_may_break_six_samples_more_but_not_seven(honest, attack, name, more, flagged):
    ahead = replace(honest, **{attack: first_of(80 + more)})  # a fair coin gives 7 of 7 once in 128 times

    assert fired(ahead) == ([name] if flagged else [])


def test_samples_that_both_attacks_broke_do_not_count(honest):
    swapped = honest.iterated.clone()
    swapped[:5], swapped[80:85] = False, True

    assert fired(replace(honest, single=swapped)) == []


def test_accuracy_that_rises_with_epsilon_is_seen(honest):
    radii = list(honest.by_radius)
    radii[2] = (0.2, first_of(60))

    assert fired(replace(honest, by_radius=radii)) == ["accuracy falls with epsilon"]


@pytest.mark.parametrize(("standing", "flagged"), [(0, False), (6, False), (7, True)])
def test_of_200_samples_at_most_six_may_withstand_what_reaches_everything(honest, standing, flagged):
    radii = [*honest.by_radius[:-1], (1.0, ~first_of(standing))]
    alike = [(radius, broken & radii[-1][1]) for radius, broken in radii]

    assert ("everything in reach breaks all" in fired(replace(honest, by_radius=alike))) == flagged


def test_the_chance_of_more_than_a_point_is_a_binomial_tail():
    none_of_two = 0.99**2

    assert more_than_a_point(1, 2) == pytest.approx(1 - none_of_two)
    assert more_than_a_point(0, 200) == 1
    assert chance_of(2, 0) == 0.25


def test_logits_pass_and_probabilities_do_not(half_plane):
    x = images()

    assert outputs_are_logits(half_plane, x).passed
    assert not outputs_are_logits(lambda x: half_plane(x).softmax(1), x).passed
    assert outputs_are_logits(lambda x: half_plane(x).log_softmax(1), x).passed


def test_rounding_is_no_noise_but_noise_is_and_so_is_the_company_in_a_batch(half_plane):
    x, rng = images(), torch.Generator().manual_seed(0)

    assert forward_repeats(lambda x: half_plane(x) + 1e-6 * torch.rand(len(x), 2), x).passed
    assert not forward_repeats(lambda x: half_plane(x) + 0.1 * torch.rand(len(x), 2, generator=rng), x).passed
    assert not forward_repeats(lambda x: 1e-3 * (half_plane(x) + torch.rand(len(x), 2, generator=rng)), x).passed
    assert not forward_repeats(lambda x: half_plane(x - x.mean(0)), x).passed


@pytest.mark.parametrize("how", ["grad", "backward", "Tensor.backward", "func.grad"])
def test_a_gradient_in_the_forward_pass_is_seen_whichever_way_it_is_asked_for(half_plane, how):
    def model(x):
        with torch.enable_grad():
            inner = x.detach().clone().requires_grad_()
            asked = {
                "grad": lambda: torch.autograd.grad(half_plane(inner).sum(), inner),
                "backward": lambda: torch.autograd.backward(half_plane(inner).sum()),
                "Tensor.backward": lambda: half_plane(inner).sum().backward(),
                "func.grad": lambda: torch.func.grad(lambda x: half_plane(x).sum())(inner),
            }
            asked[how]()
        return half_plane(x)

    assert not forward_computes_no_gradient(model, images()).passed
    assert forward_computes_no_gradient(half_plane, images()).passed


@pytest.mark.parametrize("how", ["round", "nan", "detach"])
def test_a_gradient_that_is_zero_or_no_number_or_cut_off_is_seen(half_plane, how):
    spoil = {"round": torch.round, "nan": lambda x: x + 0 * (x - x).sqrt(), "detach": torch.Tensor.detach}[how]
    x = images()
    y = half_plane(x).argmax(1)

    assert gradient_is_there(gradients_of(half_plane, x, y)).passed
    assert not gradient_is_there(gradients_of(lambda x: half_plane(spoil(x)), x, y)).passed


def test_a_model_without_a_gradient_is_suspicious_and_not_attacked(half_plane, rng):
    x = images()

    found = check_masking(lambda x: half_plane(x.detach()), x, half_plane(x).argmax(1), Ball(0.1), half_plane, rng)

    assert found.verdict == "suspicious"
    assert [check.name for check in found.checks if not check.passed] == ["gradient is there"]


def test_a_model_that_is_never_right_has_nothing_to_mask(half_plane, rng):
    x = images()

    found = check_masking(half_plane, x, 1 - half_plane(x).argmax(1), Ball(0.1), half_plane, rng)

    assert found.verdict == "trusted"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_half_plane_is_trusted_and_the_verdict_turns_into_json(half_plane, rng, norm):
    x = images(60)

    found = check_masking(half_plane, x, half_plane(x).argmax(1), Ball(0.2, norm), half_plane, rng)

    assert found.verdict == "trusted"
    told = json.loads(json.dumps(asdict(found)))
    assert len(told["checks"]) == 9
    assert all(check["reason"].endswith(".") and check["advice"].endswith(".") for check in told["checks"])


def test_a_margin_is_followed_where_the_cross_entropy_is_saturated(half_plane, rng):
    x = torch.full((10, 1, 2, 2), 0.45)
    y = half_plane(x).argmax(1)

    found = try_attacks(lambda x: 1000 * half_plane(x), x, y, Ball(0.1), half_plane, rng)

    assert not found.by_radius[0][1].any()
    assert found.iterated.all()


def test_the_documentation_has_a_section_for_each_check_in_their_order(half_plane, rng):
    x = images()
    told = (Path(__file__).parents[2] / "docs" / "masking.md").read_text()

    found = check_masking(half_plane, x, half_plane(x).argmax(1), Ball(0.1), half_plane, rng)

    headings = [line.removeprefix("## ") for line in told.splitlines() if line.startswith("## ")]
    assert [check.name.capitalize() for check in found.checks] == headings[: len(found.checks)]


def test_without_samples_nothing_is_said(half_plane, rng):
    with pytest.raises(ValueError, match="at least one sample, got none"):
        check_masking(half_plane, images(0), torch.zeros(0, dtype=torch.int64), Ball(0.1), half_plane, rng)


def judged(model, seed: int, samples: int = 150, epsilon: float = 0.1) -> list[str]:
    """The checks that fire on digits that trained nobody."""
    stored, labels, x, y = masked.digits(seed)
    rng, surrogate = torch.Generator().manual_seed(seed), soft_neighbours(stored, labels, 10)
    checks = check_masking(model, x[:samples], y[:samples], Ball(epsilon), surrogate, rng).checks
    return [check.name for check in checks if not check.passed]


def test_each_masked_classifier_of_digits_is_flagged_by_the_check_made_for_it_and_the_honest_one_is_not(monkeypatch):
    monkeypatch.setattr(masking, "QUERIES", 50)
    base = masked.trained(masked.mlp, 0)

    assert judged(base, 0, samples=60) == []
    for name, mask in masked.MASKED.items():
        assert DIRECT[name] in judged(mask(base), 0, samples=60), name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_masked_classifiers_are_flagged_and_honest_ones_are_not_over_seeds(seed):
    honest = {name: make(seed) for name, make in masked.HONEST.items()}

    for name, model in honest.items():
        assert judged(model, seed) == [], name
    for name, mask in masked.MASKED.items():
        assert DIRECT[name] in judged(mask(honest["MLP"]), seed), name
