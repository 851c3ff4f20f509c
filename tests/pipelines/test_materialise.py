"""One draft from networks on disk, untrained: how it is made does not depend on how good they are."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import WrongUse
from data.files import sha256_of
from data.intake import take_in
from data.manifest import read_manifest
from data.packing import About, finish, pack_shard, plan
from data.sources import PARTS, SourceOptions, source_of
from data.store import Store
from generators.apportioning import plain_mix
from generators.gan import begin, networks_of
from generators.networks import GanShape
from generators.options import GanOptions, SearchOptions
from pipelines.training.drafting import DraftRequest, preview_file
from pipelines.training.materialise import build_draft
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape, load_classifier, save_classifier
from pipelines.training.pages.funnel import bands_of, examine, funnel_of, margins_of_set
from pipelines.training.pages.previews import read_previews
from pipelines.training.participants import real_pool, scene_of, taken, unlabelled_of
from pipelines.training.places import EXAMINER, GENERATOR, MODEL, judge_file
from pipelines.training.probing import probe

SHAPE = ClassifierShape(channels=1, height=8, width=8, classes=10, features=4)
GAN = GanShape(channels=1, height=8, width=8, classes=10, latent=4, features=4, discriminator_features=8)
SOURCE = SourceOptions(labelled=100)
LENIENT = {"margin_band": 9.0, "agreement": 0.0}


@pytest.fixture
def run(tmp_path) -> Path:
    """A run's folder with a model, a generator, two judges and an examiner, all untrained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name in (MODEL, judge_file(0), judge_file(1), EXAMINER):
            save_classifier(tmp_path / name, Classifier(SHAPE))
    take_in(source_of(SOURCE), SOURCE, tmp_path / "source")
    training = begin(GAN, GanOptions(), seed=0)
    checkpoints.save(tmp_path / GENERATOR, networks_of(training), vars(GAN))
    return tmp_path


def request(run: Path, **changes: object) -> DraftRequest:
    plain = DraftRequest(run, "shards", 0, 60, 0, 2, SOURCE, SearchOptions(steps=5), LENIENT)
    return replace(plain, **changes)


def drafts(run: Path) -> Store:
    return Store(str(run / "drafts/shards"))


def digests(run: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted((run / "drafts/shards").iterdir())}


def test_a_draft_is_the_same_bytes_whatever_was_made_before_it(run):
    build_draft(request(run, number=1))
    alone = digests(run)
    for path in (run / "drafts/shards").iterdir():
        path.unlink()

    build_draft(request(run, number=0))
    build_draft(request(run, number=1))

    assert alone.items() <= digests(run).items()


@pytest.mark.parametrize("change", [{"seed": 1}, {"number": 1}])
def test_another_seed_or_number_gives_other_samples(run, change):
    build_draft(request(run))
    one = set(digests(run).values())
    build_draft(request(run, **change))

    assert len(one | set(digests(run).values())) == len(one) + 2


def test_every_candidate_is_accounted_for_by_search_and_reason(run):
    record = build_draft(request(run, checks={"margin_band": 0.3, "agreement": 0.05}))

    funnel = funnel_of(drafts(run), [record.manifest])

    assert {search: row["attempted"] for search, row in funnel.items()} == plain_mix(SearchOptions().mix, 60)
    assert sum(row["kept"] for row in funnel.values()) == record.samples
    for row in funnel.values():
        assert row["attempted"] == row["kept"] + sum(row["refused"].values())
        assert set(row["refused"]) <= {"margin_band", "agreement"}


def test_a_draft_draws_on_unlabelled_samples_alone(run):
    search = SearchOptions(mix={"unlabelled": 1.0})
    record = build_draft(request(run, search=search, checks={}))
    keys = set(unlabelled_of(run, SOURCE).keys)

    rows = read_manifest(drafts(run), [record.manifest]).to_pylist()

    assert {parent for row in rows for parent in row["parents"]} <= keys
    assert len(rows) == 60
    assert len(keys) == len(taken(run).keys()) - sum(len(real_pool(run, part, SOURCE)[0]) for part in PARTS)


def test_candidates_are_counted_by_their_distance_from_the_boundary(run):
    record = build_draft(request(run, checks={"margin_band": 0.25}))

    bands = bands_of(drafts(run), [record.manifest])

    attempted = {search: sum(band["attempted"] for band in found) for search, found in bands.items()}
    assert attempted == plain_mix(SearchOptions().mix, 60)
    assert [band["to"] for band in bands["warps"]] == ["0.25", "1", "3", "10", "inf"]
    assert sum(found[0]["kept"] for found in bands.values()) == record.samples
    assert all(band["kept"] == 0 for found in bands.values() for band in found[1:])


def test_kept_samples_lie_in_the_band_and_margins_are_those_of_kept_ones(run):
    record = build_draft(request(run, checks={"margin_band": 0.05}))

    margins = margins_of_set(drafts(run), [record.manifest])["margin"]

    assert len(margins) == record.samples
    assert max(map(abs, margins)) <= 0.05


def test_scores_of_every_check_and_a_soft_label_are_in_every_row(run):
    record = build_draft(request(run))

    for row in read_manifest(drafts(run), [record.manifest]).to_pylist():
        assert {name for name, _ in row["scores"]} == set(LENIENT)
        assert sum(row["soft_label"]) == pytest.approx(1, abs=1e-5)


def test_softer_labels_are_asked_for_and_nothing_else_changes(run):
    def rows(softness):
        return read_manifest(drafts(run), [build_draft(request(run, softness=softness)).manifest]).to_pylist()

    for plain, soft in zip(rows(1.0), rows(5.0), strict=True):
        assert max(soft["soft_label"]) < max(plain["soft_label"])
        assert (soft["accepted"], soft["sha256"], soft["scores"]) == (
            plain["accepted"],
            plain["sha256"],
            plain["scores"],
        )


def test_previews_show_kept_and_refused_candidates(run):
    build_draft(request(run, checks={"agreement": 0.1}))

    previews = read_previews([run / preview_file("shards", 0)])

    assert {preview.reason for preview in previews} == {"", "agreement"}
    assert all(preview.pixels.shape == preview.start.shape == (1, 8, 8) for preview in previews)


def test_the_examiner_is_asked_about_kept_samples_by_search(run):
    record = build_draft(request(run))
    store = Store(str(run / "shards"))
    dealt = plan(run / "drafts/shards", [record], "train", 1, seed=0)
    finish(dealt, [pack_shard(dealt, 0, store)], store, About("x", list("0123456789"), {"image": [1, 8, 8]}), {})

    opinion = examine(run, store.url)

    assert 0 <= opinion["agreement"] <= 1
    assert set(opinion["agreement_by_search"]) <= set(SearchOptions().mix)


def test_an_unknown_search_or_check_is_wrong_use(run):
    with pytest.raises(WrongUse, match="no 'magic' in generators/search"):
        build_draft(request(run, search=SearchOptions(mix={"magic": 1.0})))
    with pytest.raises(WrongUse, match="no 'magic' in generators/checks"):
        build_draft(request(run, checks={"magic": 1.0}))


@pytest.mark.parametrize("total", [1, 7, 100, 101])
def test_shares_are_rounded_to_counts_that_sum_up(total):
    counts = plain_mix({"a": 0.5, "b": 0.3, "c": 0.2}, total)

    assert sum(counts.values()) == total
    assert all(abs(counts[name] - share * total) < 1 for name, share in {"a": 0.5, "b": 0.3, "c": 0.2}.items())


def test_mined_samples_are_kept_though_they_are_copies_and_the_model_is_sure_of_them(run):
    checks = {"margin_band": 1e-6, "agreement": 0.0, "near_duplicate": 0.5}

    record = build_draft(request(run, search=SearchOptions(mix={"mine": 1.0}), checks=checks))

    funnel = funnel_of(drafts(run), [record.manifest])
    assert funnel["mine"]["kept"] > 0
    assert set(funnel["mine"]["refused"]) <= {"agreement"}


def test_an_ensemble_moves_the_margins(run):
    alone, together = (
        scene_of(run, SOURCE, search=SearchOptions(ensemble=names)) for names in ("", f"{EXAMINER},{judge_file(1)}")
    )

    x = alone.real.inputs["image"]
    mean = sum(load_classifier(run / name)(x).softmax(1) for name in (MODEL, EXAMINER, judge_file(1))) / 3
    assert torch.allclose(together.model(x).exp(), mean, atol=1e-6)
    assert not torch.allclose(alone.model(x).softmax(1), mean, atol=1e-3)


def test_an_ensemble_with_a_model_that_is_not_there_is_wrong_use(run):
    with pytest.raises(WrongUse, match=r"search.ensemble names .*other.safetensors, which is not there"):
        build_draft(request(run, search=SearchOptions(ensemble="other.safetensors")))


def test_a_search_whose_share_is_nothing_is_left_out(run):
    record = build_draft(request(run, search=SearchOptions(mix={"latent_walk": 0.0, "perturb": 1.0}, steps=5)))

    assert set(funnel_of(drafts(run), [record.manifest])) == {"perturb"}


def test_quotas_rule_the_classes_of_what_is_kept(run):
    record = build_draft(request(run, attempts=200, checks={}, quotas={"3": 0.6}))

    labels = read_manifest(drafts(run), [record.manifest])["label"].to_pylist()

    assert abs(labels.count(3) - 120) <= 3
    assert all(abs(labels.count(other) - 80 / 9) <= 3 for other in range(10) if other != 3)


def test_a_class_that_is_refused_more_is_tried_more(run):
    # The untrained model and judges favour some classes, as trained ones do.
    checks = {"margin_band": 9.0, "agreement": 0.1}
    plain = build_draft(request(run, attempts=1500, checks=checks))
    even = read_manifest(drafts(run), [plain.manifest]).to_pylist()
    steered = build_draft(request(run, number=1, attempts=1500, checks=checks, balance="source"))
    sourced = read_manifest(drafts(run), [steered.manifest]).to_pylist()

    kept, tried = (Counter(row["label"] for row in even if row["accepted"] or every) for every in (False, True))
    again = Counter(row["label"] for row in sourced)
    easiest = max(kept, key=lambda label: kept[label])
    assert max(tried.values()) - min(tried.values()) <= len(SearchOptions().mix)  # each search rounds on its own
    thin = [label for label in tried if 4 * kept[label] < kept[easiest]]
    assert thin
    assert all(again[label] > again[easiest] for label in thin)


def test_an_allotted_draft_tries_what_it_is_told_and_nothing_else(run):
    allotted = {"mixup": [3, 0, 7, 0, 0, 0, 0, 0, 0, 0], "shift": [0, 300, 0, 0, 0, 0, 0, 0, 0, 1]}

    record = build_draft(request(run, allotted=allotted, attempts=311))

    rows = read_manifest(drafts(run), [record.manifest]).to_pylist()
    assert Counter((row["search"], row["label"]) for row in rows) == {
        (search, label): n for search, counts in allotted.items() for label, n in enumerate(counts) if n
    }


def test_an_allotted_draft_is_the_same_bytes_again(run):
    allotted = {"mixup": [2] * 10, "warps": [1] * 10}
    build_draft(request(run, allotted=allotted, attempts=30))
    before = digests(run)

    build_draft(request(run, allotted=allotted, attempts=30))

    assert digests(run) == before


def test_a_probe_counts_every_search_and_class_and_what_they_cost(run):
    ticks = iter(range(1000))

    found = probe(request(run, set_name="probe", checks={"margin_band": 0.3}), 105, lambda: float(next(ticks)))

    manifest = read_manifest(Store(str(run / "drafts/probe")), ["train-000000.parquet"]).to_pylist()
    assert set(found["searches"]) == set(SearchOptions().mix)
    for search, row in found["searches"].items():
        mine = [one for one in manifest if one["search"] == search]
        assert row["tried"] == [11] * 10
        assert sum(row["kept"]) == sum(one["accepted"] for one in mine)
        assert row["seconds"] == pytest.approx(1 / 110 + 1 / 440)  # one batch each, and the writing of all four
    assert (found["setup"], found["spent"]) == (1, 6)
    assert (found["balance"], found["shares"]) == ("even", [0.1] * 10)


def test_a_probe_says_what_the_balance_asks_for(run):
    found = probe(request(run, set_name="probe", balance="fill"), 100)

    assert found["balance"] == "fill"
    assert found["have"] == [10.0] * 10


def test_a_probe_draws_what_no_draft_draws(run):
    build_draft(request(run))
    before = digests(run)

    probe(request(run, set_name="probe"), 100)
    build_draft(request(run))

    assert digests(run) == before
    assert sha256_of(run / "drafts/probe/train-000000.tar") not in before.values()
