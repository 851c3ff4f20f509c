"""One draw in all modalities, and what is lost when each has its own."""

import numpy as np
import pytest
import torch

from bench.clips import KINDS, write_clips
from bench.synthesis import synchrony
from data.records import Batch
from data.sources import source_of
from generators.alignment import correlation, heard_side, lags, loudness, seen_side
from generators.paired_options import SyncOptions
from generators.synchronised import Draw, draw, synchronised


def clip(columns: int = 8, at: int = 3) -> dict[str, torch.Tensor]:
    """One picture with a light in one column of `columns`, and stereo sound of 4 samples a column when it is seen."""
    image, audio = torch.zeros(1, 1, 2, columns), torch.zeros(1, 2, 4 * columns)
    image[..., at] = 0.5
    audio[:, 0, 4 * at : 4 * at + 4] = 0.5
    return {"image": image, "audio": audio}


def drawn(time: float = 0.0, *, flip: bool = False, gain: float = 1.0) -> Draw:
    return Draw(torch.tensor([time]), torch.tensor([flip]), torch.tensor([gain]))


def test_time_moves_columns_and_samples_alike_and_what_leaves_is_gone():
    x = clip(8, at=3)

    later = synchronised(x, drawn(0.25), SyncOptions(columns="time"))
    gone = synchronised(x, drawn(-0.5), SyncOptions(columns="time"))

    assert later["image"][0, 0, 0].tolist() == [0, 0, 0, 0, 0, 0.5, 0, 0]
    assert later["audio"][0, 0].nonzero()[:, 0].tolist() == [20, 21, 22, 23]
    assert gone["image"].sum() == gone["audio"].sum() == 0


def test_flip_mirrors_the_picture_and_exchanges_the_channels_and_gain_scales_both():
    x = clip(8, at=1)

    made = synchronised(x, drawn(flip=True, gain=1.5), SyncOptions(columns="space"))

    assert made["image"][0, 0, 0].tolist() == [0, 0, 0, 0, 0, 0, 0.75, 0]
    assert made["audio"][0, 0].sum() == 0
    assert made["audio"][0, 1].max() == 0.75


def test_a_picture_whose_columns_are_space_does_not_move_in_time_and_features_move_by_frames():
    x = {"image": clip()["image"], "features": torch.arange(1.0, 5.0).view(1, 4, 1)}

    made = synchronised(x, drawn(0.5), SyncOptions(columns="space"))

    assert made["image"].equal(x["image"])
    assert made["features"][0, :, 0].tolist() == [0, 0, 1, 2]


def test_a_single_row_of_features_has_no_time_to_be_moved_in():
    x = {"features": torch.arange(1.0, 9.0).view(1, 8)}

    made = synchronised(x, drawn(0.5), SyncOptions())
    times = draw(x, SyncOptions(time=0.5), torch.Generator().manual_seed(0)).time

    assert made["features"].equal(x["features"])
    assert times.tolist() == [0]


def test_what_is_recorded_of_a_draw_makes_every_modality_again_bit_by_bit():
    x = {name: value.repeat(50, *[1] * (value.ndim - 1)) for name, value in clip(16).items()}
    options = SyncOptions(time=0.2, flip=0.0, gain=0.5, columns="time")
    first = draw(x, options, torch.Generator().manual_seed(1))

    told = {name: np.float32(value.numpy()) for name, value in first.told().items()}  # as a manifest keeps it
    again = Draw(*(torch.from_numpy(told[name]) for name in ("sync_time", "sync_flip", "sync_gain")))
    again = Draw(again.time, again.flip.bool(), again.gain)

    for name, value in synchronised(x, first, options).items():
        assert value.equal(synchronised(x, again, options)[name])
        assert not value.equal(x[name])


def test_a_lag_is_found_where_it_was_put_and_a_light_is_heard_where_it_is_seen():
    seen, heard = clip(16, at=5), clip(16, at=8)

    assert lags(seen["image"], seen["audio"]).tolist() == [0]
    assert lags(seen["image"], heard["audio"]).tolist() == [3]
    assert lags(heard["image"], seen["audio"]).tolist() == [-3]
    assert heard_side(seen["audio"]).tolist() == [-1]
    assert seen_side(seen["image"])[0] < 0 < seen_side(heard["image"])[0]
    assert correlation(torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 4, 6])) == pytest.approx(1)
    assert correlation(torch.ones(3), torch.tensor([2.0, 4, 6])) == 0


def test_sound_that_no_window_divides_is_refused():
    with pytest.raises(ValueError, match="10 samples"):
        loudness(torch.zeros(1, 1, 10), 4)


@pytest.mark.parametrize("options", [{"time": 2}, {"gain": -1}, {"columns": "rows"}, {"flip": 0.5, "columns": "time"}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=r"sync\."):
        SyncOptions(**options)


@pytest.mark.parametrize("kind", list(KINDS))
def test_clips_stay_aligned_under_one_draw_and_lose_it_under_a_draw_each(kind, monkeypatch):
    monkeypatch.setattr("bench.synthesis.CLIPS", 40)

    found = synchrony(kind, 0)

    figure = "in_time" if kind == "strips" else "same_side"
    assert found["as recorded"][figure] == found["one draw"][figure] == 1
    assert found["one draw"]["strength"] > 0.95
    assert found["a draw each (control)"][figure] < 0.75
    assert abs(found["a draw each (control)"]["strength"]) < 0.5


def test_clips_are_a_source_that_pairs_by_name(tmp_path):
    options = write_clips(tmp_path, "scenes", 3, np.random.default_rng(0))

    source = source_of(options)

    names = [{found.name for found in side.samples} for side in source.sides.values()]
    assert list(source.sides) == ["image", "audio"]
    assert names[0] == names[1]
    assert len(names[0]) == 6


def test_an_event_without_a_time_axis_draws_no_time():
    x = Batch(("a",), {"image": torch.rand(1, 1, 4, 4)}, torch.tensor([0])).inputs

    assert draw(x, SyncOptions(), torch.Generator().manual_seed(0)).time.tolist() == [0]
