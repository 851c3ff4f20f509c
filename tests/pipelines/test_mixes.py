"""The grid of mixes, what training takes of a set, and what a training costs."""

import pytest
import torch
from torch import nn

from data.errors import WrongUse
from data.loader import read_pool
from data.reading import read_samples
from data.store import Store
from pipelines.recipes import DEFAULT, overridden
from pipelines.training.fitting.cost import count_gradients
from pipelines.training.mixes import Mix, MixOptions, UpliftOptions
from pipelines.training.trials import Trial, as_json, best_of, with_mix


def trial(share: float, robust: list[float], clean: float = 95.0) -> Trial:
    return Trial(Mix(share, 0.0, "soft"), [clean] * len(robust), robust, 1.0)


def test_the_grid_is_every_combination_once():
    options = UpliftOptions(shares=(0.5, 0.7, 0.5), bands=(0.5, 0.0), labels=("soft",))

    assert [mix.name for mix in options.grid] == ["0.5-0.5-soft", "0.5-all-soft", "0.7-0.5-soft", "0.7-all-soft"]


def test_the_grid_is_typed_as_lists():
    typed = overridden(DEFAULT, {"uplift.shares": "0.3", "uplift.bands": "0.5, 1", "uplift.labels": "soft"})

    assert [mix.name for mix in typed.uplift.grid] == ["0.3-0.5-soft", "0.3-1-soft"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("shares", (0.0,), r"uplift\.shares must lie in \]0, 1\], got \[0\.0\]"),
        ("bands", (), r"uplift\.bands must be >= 0 and finite, got \[\]"),
        ("labels", ("sharp",), r"uplift\.labels must name some of soft, one_hot, got \['sharp'\]"),
        ("seeds", 0, r"uplift\.seeds must be >= 1, got 0"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        UpliftOptions(**{field: value})


def test_a_band_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"mixing\.band must be >= 0 and finite, got nan"):
        MixOptions(band=float("nan"))


def test_the_best_mix_has_the_highest_mean_robust_accuracy_then_the_highest_clean_one():
    one, two, three = trial(0.3, [70, 80]), trial(0.5, [76, 76], 96.0), trial(0.7, [76, 76], 97.0)

    assert best_of([one, two]).mix.share == 0.5
    assert best_of([one, two, three]).mix.share == 0.7


def test_the_report_names_the_best_mix_and_the_options_that_ask_for_it():
    said = as_json([trial(0.5, [70.0]), Trial(Mix(0.7, 0.5, "one_hot"), [90.0], [75.0], 2.0)], 400)

    assert said["options"] == "--training.synthetic_share 0.7 --mixing.band 0.5 --mixing.labels one_hot"
    assert "of 2: 0.7 of each batch synthetic, margins within 0.5, one-hot labels" in said["said"]


def test_a_recipe_with_a_mix_differs_in_nothing_else():
    mixed = with_mix(DEFAULT, Mix(0.5, 0.5, "one_hot"))

    assert mixed.training.synthetic_share == 0.5
    assert mixed.mixing == MixOptions(0.5, "one_hot")
    assert with_mix(mixed, Mix(DEFAULT.training.synthetic_share, 0.0, "soft")) == DEFAULT


def test_a_band_leaves_out_what_is_farther_from_the_boundary(shard_set):
    near = [abs(sample.margin) <= 3 for sample in read_samples(Store(str(shard_set)))]

    assert 0 < sum(near) < len(near)
    assert len(read_pool(str(shard_set), band=3)) == sum(near)
    assert len(read_pool(str(shard_set))) == len(near)


def test_a_band_without_a_sample_is_wrong_use(build, tmp_path):
    build(Store(str(tmp_path / "set")))

    with pytest.raises(WrongUse, match=r"no sample with a margin within -1: take a wider mixing\.band"):
        read_pool(str(tmp_path / "set"), band=-1)


def test_one_hot_labels_are_the_intended_classes(shard_set):
    wanted = [sample.label for sample in read_samples(Store(str(shard_set)))]

    assert read_pool(str(shard_set), labels="one_hot").soft_labels.tolist() == [[1 - y, y] for y in wanted]
    assert read_pool(str(shard_set)).soft_labels.amax().item() == pytest.approx(0.9)


def test_gradients_count_samples_that_go_back_and_no_looks():
    model, notes = nn.Linear(3, 2), {}
    counting = count_gradients(model, notes)

    model(torch.zeros(5, 3)).sum().backward()
    with torch.no_grad():
        model(torch.zeros(100, 3))
    counting.remove()
    model(torch.zeros(7, 3))

    assert notes == {"gradients": 5}
