"""webshart and cheesechaser: `<shard>.json`, where each file of the tar lies, for random access over HTTP."""

from data.sidecars import Files, Sidecar
from data.tars import Packed


def _index(tar: str, packed: Packed) -> Files:
    rows = zip(packed.names, packed.offsets, packed.sizes, strict=True)
    # By hand: names need no escape, and json.dumps takes four times as long.
    files = ",\n".join([f' "{name}": {{"offset": {offset}, "length": {size}}}' for name, offset, size in rows])
    text = f'{{"path": "{tar}", "filesize": {len(packed.content)}, "files": {{\n{files}\n}}}}\n'
    return {f"{tar.removesuffix('.tar')}.json": text.encode("ascii")}


webshart = Sidecar(of_shard=_index)
