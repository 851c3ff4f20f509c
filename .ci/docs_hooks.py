"""For mkdocs: links that lead out of docs/, to the repository's own files, become those files' names."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OUT = re.compile(r"\[([^\]]*)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page of the site has no repository beside it; but what it names must be there."""
    for _, name in OUT.findall(markdown):
        if not (ROOT / name).exists():
            raise FileNotFoundError(f"a page links to {name}, which the repository does not have")
    return OUT.sub(r"\1 (`\2`)", markdown)
