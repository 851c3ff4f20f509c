"""From what attacks found, sample by sample, to figures: cases small enough to count on fingers."""

import numpy as np
import pytest
import torch

from data.errors import Damaged
from data.records import Batch
from pipelines.training.audit.figures import Share
from pipelines.training.audit.norms import Finds, norm_figures
from pipelines.training.audit.options import AuditOptions
from pipelines.training.audit.pictures import breaks_of, picture_of
from pipelines.training.audit.rows import EACH, Kept, Rows, read_rows, smallest, telling
from pipelines.training.audit.rows import Finds as Finder

INF = float("inf")


def rows(length, says) -> Rows:
    return Rows(np.array(length), np.array(says))


def planted() -> Finds:
    """Six samples, three of `cat` and three of `dog`; the model has the last dog wrong without an attack."""
    return Finds(
        norm="linf",
        epsilon=0.1,
        radii=[0.1, 0.2],
        labels=np.array([0, 0, 0, 1, 1, 1]),
        class_names=("cat", "dog"),
        alone={
            "pgd": rows([0.1, INF, INF, INF, INF, 0.0], [1, 0, 0, 1, 1, 0]),
            "fab": rows([0.04, 0.08, 0.3, INF, 0.15, 0.0], [1, 1, 1, 1, 0, 0]),
        },
        nearest=("fab",),
        suite=rows([INF, INF, 0.1, INF, INF, 0.0], [0, 0, 1, 1, 1, 0]),
        broken={"apgd_ce": 0, "square": 1},
        seconds={"pgd": 1.0, "fab": 2.0},
    )


def test_the_smallest_change_of_all_attacks_counts():
    worst, by = smallest([rows([0.3, INF, 0.1], [1, 2, 3]), rows([0.2, INF, 0.4], [4, 5, 6])])

    assert worst.length.tolist() == [0.2, INF, 0.1]
    assert worst.says.tolist() == [4, 2, 3]
    assert by.tolist() == [1, 0, 0]


def test_a_sample_is_robust_where_no_attack_found_an_error_within_epsilon():
    figures = norm_figures(planted())

    assert (figures.robust.count, figures.robust.of) == (2, 6)
    assert [row.robust.count for row in figures.attacks] == [4, 3, 3, 2]
    assert [row.kind for row in figures.attacks] == ["fixed", "nearest", "survivors", "survivors"]
    assert [row.first for row in figures.attacks] == [0, 3, 0, 1]


def test_curves_fall_from_clean_accuracy_and_attacks_of_fixed_radius_are_drawn_where_they_were_tried():
    figures = norm_figures(planted())

    pgd, fab = figures.curves
    worst = dict(zip(figures.worst.epsilons, figures.worst.robust, strict=True))
    assert pgd.epsilons == [0.0, 0.1, 0.2]
    assert len(fab.epsilons) == len(worst) == 41
    assert worst[0.0] == pytest.approx(100 * 5 / 6, abs=1e-3)
    assert worst[0.1] == pytest.approx(figures.robust.percent)
    assert sorted(worst.values(), reverse=True) == list(worst.values())


def test_classes_come_weakest_first_with_what_they_are_taken_for():
    cat, dog = norm_figures(planted()).classes

    assert (cat.name, cat.clean.count, cat.robust.count, cat.becomes) == ("cat", 3, 0, "dog")
    assert (dog.name, dog.clean.count, dog.robust.count, dog.becomes) == ("dog", 2, 2, "cat")
    assert cat.median == 0.08
    assert dog.median is None  # one of the two that it has right withstood everything


def test_confusion_counts_each_sample_once_under_its_label():
    assert norm_figures(planted()).confusion == [[0, 3], [1, 2]]


def test_a_share_of_nothing_is_unknown():
    nothing = Share.of_flags(np.array([], dtype=bool))

    assert (nothing.low, nothing.high, nothing.of) == (0.0, 100.0, 0)


def test_pictures_are_kept_of_the_smallest_and_the_median_changes_of_each_class():
    length = np.array([0.0, INF, *np.arange(1, 12) / 10, 0.5])
    labels = np.array([0] * 13 + [1])

    kept = telling(length, labels)

    assert kept[:EACH].tolist() == [2, 3, 4]
    assert 7 in kept  # the median of eleven
    assert kept[-1] == 13
    assert not {0, 1} & set(kept.tolist())


def test_what_an_attack_found_is_read_as_it_was_written(tmp_path):
    x, y = torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 0])
    finder = Finder(x, y, torch.tensor([0, 1, 1]))
    finder.add(torch.tensor([0]), torch.full((1, 1, 2, 2), 0.2), torch.tensor([0.2]), torch.tensor([1]))
    finder.add(torch.tensor([0]), torch.full((1, 1, 2, 2), 0.4), torch.tensor([0.4]), torch.tensor([2]))

    finder.write(tmp_path / "found.npz")

    found, kept = read_rows(tmp_path / "found.npz")
    assert found.length.tolist() == [pytest.approx(0.2), INF, 0.0]
    assert found.says.tolist() == [1, 1, 1]
    assert kept.rows.tolist() == [0]
    assert np.allclose(kept.x_adv, 0.2)
    assert finder.standing(0.1).tolist() == [0, 1]
    assert finder.standing(0.2).tolist() == finder.standing(INF).tolist() == [1]


def test_a_damaged_file_of_finds_is_named(tmp_path):
    (tmp_path / "found.npz").write_bytes(b"nonsense")

    with pytest.raises(Damaged, match=r"found\.npz holds no attack's finds"):
        read_rows(tmp_path / "found.npz")


def test_each_class_shows_its_smallest_change_and_a_typical_one():
    labels = torch.tensor([0, 0, 0, 1])
    batch = Batch(("a", "b", "c", "d"), {"image": torch.full((4, 1, 2, 2), 0.5)}, labels)
    found = rows([0.3, 0.1, 0.2, 0.05], [1, 1, 1, 0])
    kept = Kept(np.arange(4), np.full((4, 1, 2, 2), 0.6, dtype=np.float32))

    breaks = breaks_of(batch, "linf", {"fab": (found, kept)})

    assert [(one.about.key, one.about.kind) for one in breaks] == [("d", "nearest"), ("b", "nearest"), ("c", "typical")]
    assert picture_of(breaks[0]).amplified == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "audit.samples must be >= 1, got 0"),
        ({"linf": -1.0}, "audit.linf must be >= 0 and finite, got -1"),
        ({"l2": float("nan")}, "audit.l2 must be >= 0 and finite, got nan"),
        ({"factors": (0.0,)}, r"audit.factors must lie in \]0, 10\], got \[0.0\]"),
        ({"attacks": ("magic",)}, r"audit.attacks must name some of apgd_ce, .*, got \['magic'\]"),
        ({"attacks": ()}, "audit.attacks must name some of"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        AuditOptions(**options)


def test_radii_are_those_asked_for_or_follow_from_the_evaluation():
    usual, chosen = AuditOptions(), AuditOptions(linf=0.03, l2=0.5, factors=(2.0,))

    assert usual.radius("linf", 0.12, (1, 8, 8)) == 0.12
    assert usual.radius("l2", 0.12, (1, 8, 8)) == 0.29
    assert chosen.radius("l2", 0.12, (1, 8, 8)) == 0.5
    assert chosen.radii(0.03) == [0.03, 0.06]
