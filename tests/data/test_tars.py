import io
import os
import tarfile

import pytest

from data.errors import Damaged
from data.tars import Member, contents, floor, header, join, pack

SAMPLES = [
    (f"train-000000-{i:06d}", {"cls": b"%d" % (i % 10), "png": bytes([i % 256]) * (i * 37), "probs.npy": b""})
    for i in range(60)
]


def test_the_bytes_are_those_of_pythons_tarfile():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in SAMPLES:
            for extension, content in sorted(members.items()):
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mode = len(content), 0o444
                tar.addfile(member, io.BytesIO(content))

    assert pack(SAMPLES).content == out.getvalue()


def test_a_tar_has_no_byte_more_than_it_must():
    assert len(pack(SAMPLES).content) == floor(len(c) for _, members in SAMPLES for c in members.values())


def test_samples_joined_in_another_order_are_those_packed_in_that_order():
    packed = pack(SAMPLES)
    blocks = [packed.content[a:b] for a, b in zip(packed.starts, packed.starts[1:], strict=False)]

    assert join(blocks[::-1]) == pack(SAMPLES[::-1])


def test_members_are_found_where_they_lie():
    packed = pack(SAMPLES)

    assert contents(packed.content) == list(map(Member, packed.names, packed.offsets, packed.sizes))
    assert all(
        packed.content[m.offset : m.offset + m.size] == dict(SAMPLES)[m.name.split(".")[0]]["png"]
        for m in contents(packed.content)
        if m.name.endswith(".png")
    )


def test_a_member_of_zeros_alone_is_no_end():
    packed = pack([("a", {"bin": bytes(4096)}), ("b", {"bin": bytes(0)})])

    assert [member.name for member in contents(packed.content)] == ["a.bin", "b.bin"]


@pytest.mark.parametrize("place", range(0, 512, 7))
def test_any_altered_byte_of_a_header_is_found(place):
    content = bytearray(pack(SAMPLES).content)
    content[place] ^= 0x41

    with pytest.raises(Damaged):
        contents(bytes(content))


def test_a_tar_cut_anywhere_is_found():
    content = pack(SAMPLES[:4]).content

    for end in range(0, len(content), 256):
        with pytest.raises(Damaged):
            contents(content[:end])


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/b.png", "A.png", "a", "a b.png", ".a.png", "a..png"])
def test_a_name_that_readers_stumble_over_is_refused(name):
    block = header(name.encode(), 0)

    with pytest.raises(Damaged, match="no plain member header at byte 0"):
        join([block])


def test_what_follows_the_end_is_found():
    with pytest.raises(Damaged, match="no proper end"):
        contents(pack(SAMPLES).content + os.urandom(512))
