"""What holds for every modality: what is kept comes back bit by bit, and bad bytes are refused in words."""

import io
import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import Tensor

import data.modalities
from data.errors import Damaged
from data.forms import Form
from data.modalities import Fit, Modality, members_of, modality
from data.plugins import plugin_names
from data.refused import Refused

pytest.importorskip("soundfile")

FORMS = {
    "image": [Form((1, 8, 8)), Form((3, 5, 7))],
    "audio": [Form((1, 400), 8000), Form((2, 33), 44100)],
    "features": [Form((13,)), Form((40, 13))],
    "text": [Form((24,))],
}
CASES = [(name, form) for name, forms in FORMS.items() for form in forms]
WORDS = "a red square, größer 🙂"
EXACT = {"image": 1 / 255, "audio": 1 / 32768, "features": 0.0, "text": 0.0}
"""How far apart two values are at rest; features are kept as they are."""


def values_of(name: str, form: Form) -> Tensor:
    """Three inputs, as they are kept, over the whole of their range."""
    rng = torch.Generator().manual_seed(1)
    if name == "image":
        return torch.randint(0, 256, (3, *form.shape), generator=rng, dtype=torch.uint8)
    if name == "audio":
        return torch.randint(-32768, 32768, (3, *form.shape), generator=rng).to(torch.int16)
    if name == "features":
        return torch.randn((3, *form.shape), generator=rng) * 1000
    rows = [text.encode()[: form.shape[0]].ljust(form.shape[0], b"\0") for text in ("a", "große Füße", WORDS[:20])]
    return torch.tensor([list(row) for row in rows], dtype=torch.uint8)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} {case[1].shape}")
def case(request) -> tuple[Modality, Form, Tensor]:
    name, form = request.param
    return modality(name), form, values_of(name, form)


def test_every_modality_has_a_case_here():
    assert set(FORMS) == set(plugin_names(data.modalities))


def test_what_is_kept_comes_back_bit_by_bit_from_a_shard(case):
    kind, form, values = case

    for one in values:
        content = kind.encode(kind.floats(one), form)
        read = kind.decode(content, form)
        assert torch.equal(read, one)
        assert read.dtype == one.dtype
        assert kind.encode(kind.floats(one), form) == content


def test_x_is_kept_as_exactly_as_is_said_and_then_for_good(case):
    kind, _, values = case
    x = kind.floats(values)

    stored = kind.stored(x)

    assert torch.equal(kind.rest(x), values)
    assert torch.equal(stored, x)
    assert x.double().amin() >= kind.low
    assert x.double().amax() <= kind.high


@pytest.mark.parametrize("name", ["image", "audio"])
def test_x_between_two_steps_goes_to_the_nearer_one(name):
    kind, step = modality(name), EXACT[name]
    x = torch.linspace(kind.low, kind.high, 1001)[:-1].view(1, 1, -1)

    assert (kind.stored(x) - x).abs().max() <= step / 2 + 1e-7


def test_a_member_of_another_form_is_damaged(case):
    kind, form, values = case
    content = kind.encode(kind.floats(values[2]), form)
    last = 1 if kind.extension == "txt" else form.shape[-1] + 1  # a shorter text is no fault
    other = Form((*form.shape[:-1], last), form.rate)

    kind.check(content, form)
    for look in (kind.check, kind.decode):
        with pytest.raises(Damaged):
            look(content, other)


def test_sound_of_another_rate_is_damaged():
    kind = modality("audio")

    with pytest.raises(Damaged, match="at 8000 Hz, not"):
        kind.decode(kind.encode(torch.zeros(1, 9), Form((1, 9), 8000)), Form((1, 9), 16000))


def test_cut_bytes_never_pass_as_another_input(case):
    kind, form, values = case
    if kind.extension == "txt":
        pytest.skip("the beginning of a text is a text")
    content = kind.encode(kind.floats(values[0]), form)

    for end in (0, 1, 8, len(content) // 2, len(content) - 1):
        with pytest.raises(Damaged):
            kind.check(content[:end], form)
        with suppress(Damaged):
            assert torch.equal(kind.decode(content[:end], form), values[0])  # a PNG without its very last byte
        with suppress(Refused):
            assert torch.equal(torch.from_numpy(kind.take(content[:end], Fit()).values.copy()), values[0])


@pytest.mark.parametrize("name", ["image", "audio"])
def test_no_flipped_bit_passes_as_another_input(name):
    kind, form = modality(name), FORMS[name][0]
    values, draw = values_of(name, form)[0], random.Random(0)
    content = kind.encode(kind.floats(values), form)

    for place in draw.sample(range(len(content)), 60):
        harmed = bytearray(content)
        harmed[place] ^= 1 << draw.randrange(8)
        try:
            kind.check(bytes(harmed), form)
            found = kind.decode(bytes(harmed), form)
        except Damaged:
            continue
        assert torch.equal(found, values)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"RIFF\xff\xff\xff\xffWAVE", b"fLaC\xff", b"\xff\xfe", b"\0\0", b"GIF89a\x80"]
)
def test_bytes_of_something_else_are_refused_with_a_reason(name, content):
    kind = modality(name)

    with pytest.raises(Refused) as refused:
        kind.take(content, Fit())
    with pytest.raises(Damaged):
        kind.decode(content, None)

    assert refused.value.reason
    assert str(refused.value)


@pytest.mark.parametrize("name", ["image", "audio", "features"])
def test_x_that_is_no_number_is_refused(name):
    kind, form = modality(name), FORMS[name][0]

    with pytest.raises(ValueError, match="got"):
        kind.encode(torch.full(form.shape, float("nan")), form)


@pytest.mark.parametrize("name", ["image", "audio"])
def test_x_out_of_its_range_is_refused(name):
    kind, form = modality(name), FORMS[name][0]

    for x in (kind.low - 0.1, kind.high + 0.1):
        with pytest.raises(ValueError, match="lie in"):
            kind.rest(torch.full(form.shape, x))


def test_what_did_not_move_moved_by_nothing_and_rows_are_told_apart(case):
    kind, form, values = case
    x = kind.floats(values)

    assert kind.moved(x, x, form).tolist() == [0, 0, 0]
    assert (kind.moved(x.flip(0), x, form) > 0).tolist() == [True, False, True]


def test_an_image_moves_in_shares_of_its_range_and_sound_of_full_scale():
    for name in ("image", "audio"):
        before = torch.zeros(1, 1, 2, 2)[..., : 1 if name == "audio" else 2]
        after = before.clone()
        after[0, 0, 1, 0] = 0.25

        assert modality(name).moved(after, before, Form(tuple(before.shape[1:]))).item() == 0.25


def test_features_move_in_standard_deviations_of_each():
    kind = modality("features")
    training = torch.tensor([[[1.0, -10.0], [3.0, 10.0], [0.0, 0.0]]])  # the last frame is padding
    form = Form((3, 2), unit=kind.unit_of(training))
    before = torch.zeros(2, 3, 2)
    after = before.clone()
    after[0, 1, 1], after[1, 0, 0] = 5, -2

    assert form.unit == (1.0, 10.0)
    assert kind.moved(after, before, form).tolist() == [0.5, 2.0]


def test_a_feature_that_never_changes_has_a_unit_of_one():
    assert modality("features").unit_of(torch.tensor([[[5.0, 1.0], [5.0, 3.0]]])) == (1.0, 1.0)


def test_a_text_moves_by_characters_put_in_left_out_or_exchanged():
    kind = modality("text")
    texts = [("kitten", "sitting", 3), ("größe", "große", 1), ("abc", "abc", 0), ("a", "", 1)]
    for one, other, distance in texts:
        rows = [torch.tensor([list(text.encode().ljust(9, b"\0"))], dtype=torch.uint8) for text in (one, other)]

        assert kind.moved(*rows, Form((9,))).item() == distance


def wav(samples: np.ndarray, rate: int, subtype: str, form: str = "WAV") -> bytes:
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form, subtype=subtype)
    return out.getvalue()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "WAVEX"])
@pytest.mark.parametrize("rate", [8000, 11025, 48000])
def test_wav_and_flac_of_any_rate_are_taken_sample_by_sample(form, rate):
    samples = np.random.default_rng(0).integers(-32768, 32768, (50, 2)).astype(np.int16)

    held = modality("audio").take(wav(samples, rate, "PCM_16", form), Fit())

    assert held.rate == rate
    assert np.array_equal(held.values, samples.T)


def test_sound_of_floats_beyond_full_scale_is_refused():
    kind = modality("audio")
    for value, reason in ((1.5, "out_of_range"), (np.nan, "not_finite")):
        with pytest.raises(Refused) as refused:
            kind.take(wav(np.full(9, value, np.float32), 8000, "FLOAT"), Fit())

        assert refused.value.reason == reason


def test_a_sound_file_of_another_kind_is_refused_by_name():
    with pytest.raises(Refused, match="AIFF, not FLAC or WAV"):
        modality("audio").take(wav(np.zeros(9), 8000, "PCM_16", "AIFF"), Fit())


@pytest.mark.parametrize("name", ["audio", "features"])
@pytest.mark.parametrize("length", [3, 8])
def test_a_sequence_is_cut_or_followed_by_zeros(name, length):
    content = wav(np.arange(1, 6, dtype=np.int16), 8000, "PCM_16") if name == "audio" else np.arange(1.0, 6)

    values = modality(name).take(content, Fit(length=length)).values.reshape(-1)

    assert values.tolist() == [1, 2, 3, 4, 5, 0, 0, 0][:length]


def test_a_text_is_cut_between_characters():
    values = modality("text").take("größer".encode(), Fit(length=3)).values

    assert bytes(values) == b"gr\0"  # the ö takes two bytes, of which only one would fit


def test_an_array_of_objects_is_never_unpickled():
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(Refused, match="only a pickle could read"):
        modality("features").take(out.getvalue(), Fit())


@pytest.mark.parametrize("shape", [(2**40,), (2**20, 2**20), (7,)])
def test_an_array_that_claims_what_it_does_not_hold_is_refused(shape):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})

    with pytest.raises(Refused, match="claims"):
        modality("features").take(out.getvalue() + bytes(24), Fit())


def test_features_of_other_types_and_orders_are_taken_as_float32():
    out = io.BytesIO()
    np.save(out, np.asfortranarray([[1, 2, 3], [4, 5, 6]]), allow_pickle=False)

    held = modality("features").take(out.getvalue(), Fit())

    assert held.values.dtype == np.float32
    assert held.values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_text_becomes_the_tokens_of_the_users_tokenizer():
    from data.modalities.text import tokens

    vocabulary = {"a": 3, "red": 4, "square": 5}
    x = torch.tensor([list(b"a red square".ljust(20, b"\0")), list(b"red".ljust(20, b"\0"))], dtype=torch.uint8)

    found = tokens(x, lambda text: [vocabulary[word] for word in text.split()], 4)

    assert found.tolist() == [[3, 4, 5, 0], [4, 0, 0, 0]]
    assert tokens(x, lambda text: list(text.encode()), 2).tolist() == [[97, 32], [114, 101]]
    with pytest.raises(ValueError, match="got -1"):
        tokens(x, lambda _: [-1], 4)


def test_a_sample_has_a_member_for_each_modality_beside_label_facts_and_soft_label():
    assert members_of(["text", "image"]) == {
        "cls": "label",
        "json": "facts",
        "png": "image",
        "probs.npy": "soft_label",
        "txt": "text",
    }
