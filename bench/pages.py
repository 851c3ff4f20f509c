"""Photographs Prefect's pages in a real browser, for docs/operations.md, and says which hosts they asked for anything.

    python -m bench.pages --run runs/digits --out docs/pictures

A server and a worker of its own; a build by hand in a copy of that run, with drafts of 200 candidates.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from bench.prefect_site import Site

WIDE, HIGH = 1280, 900
CHROMIUM = shutil.which("chromium") or "chromium"
QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def photograph(url: str, out: Path, high: int = HIGH) -> set[str]:
    """Take a picture of a page into a PNG of 64 colours; the hosts that were asked for anything."""
    with tempfile.TemporaryDirectory() as scratch:
        picture, log = Path(scratch) / "page.png", Path(scratch) / "net.json"
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", *QUIET, f"--user-data-dir={scratch}/profile"]
        options += [f"--window-size={WIDE},{high}", "--virtual-time-budget=60000", f"--log-net-log={log}"]
        command = [CHROMIUM, *options, f"--screenshot={picture}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        asked = set(re.findall(r'"url":"https?://([^/:"]+)', log.read_text()))
        with Image.open(picture) as page:
            page.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)
    return asked


def pages(site: Site, run: Path, out: Path) -> dict[str, object]:
    """Start a build by hand and photograph the form it is started by, its artifacts, and what each of these shows."""
    site.start("server")
    site.deploy("--name", "shards-only")
    site.start("worker")
    given = {"recipe": {"name": "digits", "shards": {"attempts": 200}}, "run": str(run)}
    ended = site.ended(site.run("shards-only", given))
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    found = site.api("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [ended["id"]]}}})
    shown = {artifact["key"].rpartition("-")[2]: artifact["id"] for artifact in found}
    top = f"http://{site.host}:{site.port}"
    asked = photograph(f"{top}/deployments/deployment/{site.deployment('shards-only')}/run", out / "form.png")
    asked |= photograph(f"{top}/runs/flow-run/{ended['id']}?tab=Artifacts", out / "artifacts.png")
    asked |= photograph(f"{top}/artifacts/artifact/{shown['funnel']}", out / "funnel.png", 560)
    return {
        "hosts asked": sorted(asked),
        "bytes": {file.name: file.stat().st_size for file in sorted(out.glob("*.png"))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    known = parser.parse_args()
    known.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(shutil.copytree(known.run, Path(scratch) / "digits"))
        (home := Path(scratch) / "prefect").mkdir()
        site = Site(home)
        try:
            print(json.dumps(pages(site, run, known.out), indent=1))
        finally:
            site.stop()


if __name__ == "__main__":
    main()
