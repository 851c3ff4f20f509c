import io
import tarfile

import pytest

from data.blocks import key_of, members_of_block
from data.errors import Damaged
from data.tars import header, pack

SAMPLE = ("train-000000-000001", {"cls": b"7", "json": b"{}", "png": bytes(700), "probs.npy": b"x" * 512})


def block_of(*samples: tuple[str, dict[str, bytes]]) -> bytes:
    packed = pack(samples)
    return packed.content[: packed.starts[-1]]


def by_tarfile(format: int, names: dict[str, bytes], **fields: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
        return out.getvalue()[: tar.offset]


def test_the_members_of_a_sample_of_ours_are_read():
    assert members_of_block(block_of(SAMPLE)) == SAMPLE


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("key", ["0001", "some/folder/0001", "x" * 98, "some/" + "y" * 120, "größe"])
def test_samples_of_other_writers_are_read(format, key):
    if format == tarfile.USTAR_FORMAT and len(key) > 100 - len("some/"):
        pytest.skip("does not fit into a ustar header")
    block = by_tarfile(format, {f"{key}.PNG": b"abc", f"{key}.seg.png": b""}, mtime=1.5, uname="bigdata")

    assert members_of_block(block) == (key, {"png": b"abc", "seg.png": b""})


def test_a_prefix_in_the_header_belongs_to_the_name():
    folder = "f" * 90
    block = by_tarfile(tarfile.USTAR_FORMAT, {f"{folder}/0001.png": b"abc"})

    assert members_of_block(block) == (f"{folder}/0001", {"png": b"abc"})


def test_a_name_is_cut_at_the_first_dot_after_the_last_slash():
    assert key_of("a.b/c.seg.PNG") == ("a.b/c", "seg.png")
    assert key_of("c.png") == ("c", "png")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        bytes(512),
        b"\xff" * 1024,
        block_of(SAMPLE)[:-512],
        block_of(SAMPLE)[512:],
        block_of(SAMPLE) + bytes(1),
        block_of(SAMPLE) + bytes(1024) + block_of(SAMPLE),
        block_of(SAMPLE, ("train-000000-000002", {"cls": b"1"})),
        block_of(SAMPLE, SAMPLE),
        block_of(("a", {"pkl": b""})),
        block_of(("a", {"png": b"", "seg.pth": b""})),
        header(b"../a.png", 0),
        header(b"/a.png", 0),
        header(b"b/../a.png", 0),
        header(b"a.png", 2**33 - 1),
        header(b"a.png", 0).replace(b"00000000000", b"-0000001000"),
        header(b"a.png", 0).replace(b"00000000000", b"0000000_000"),
        by_tarfile(tarfile.USTAR_FORMAT, {"a.png": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        by_tarfile(tarfile.USTAR_FORMAT, {"a.png": b""}, type=tarfile.LNKTYPE, linkname="b.png"),
        by_tarfile(tarfile.USTAR_FORMAT, {"a.png": b""}, type=tarfile.CHRTYPE),
        by_tarfile(tarfile.USTAR_FORMAT, {"a.png": b""}, type=tarfile.FIFOTYPE),
    ],
)
def test_anything_but_one_sample_of_plain_data_is_refused(block):
    with pytest.raises(Damaged):
        members_of_block(block)


@pytest.mark.parametrize("place", range(0, 4608, 41))
def test_no_altered_byte_makes_reading_fail_otherwise_or_hang(place):
    content = bytearray(block_of(SAMPLE))
    content[place] ^= 0x2D

    try:
        _, members = members_of_block(bytes(content))
    except Damaged:
        return

    assert sum(map(len, members.values())) <= len(content)
