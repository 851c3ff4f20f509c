"""audit.html: all that the figures say, in one file that asks for nothing, for eyes and for screen readers."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from generators.masking import Masking
from generators.symptoms import MaskingCheck
from pipelines.training.audit.figures import (
    Advice,
    AttackFigures,
    Audit,
    Break,
    ClassFigures,
    Corruption,
    Curve,
    LatentFigures,
    NormFigures,
    Share,
    Subject,
)
from pipelines.training.audit.page import MOST_CLASSES, render
from pipelines.training.audit.pictures import Found

NAMES = ["cat", "dog", "<b>eel</b>"]
ALONE = {"img", "meta", "br", "line", "polyline", "polygon", "circle", "path", "input"}


def share(percent: float) -> Share:
    return Share(round(4 * percent), 400, percent, percent - 2, percent + 2)


def norm(name: str, names: list[str]) -> NormFigures:
    return NormFigures(
        norm=name,
        epsilon=0.1,
        robust=share(61.5),
        median=0.15,
        worst=Curve("worst", [0, 0.1, 0.2], [97, 61.5, 5], [95, 59, 3], [99, 64, 7]),
        curves=[Curve("apgd_ce", [0, 0.1, 0.2], [97, 63, 8])],
        attacks=[
            AttackFigures("apgd_ce", "fixed", share(63), 390, 2.5),
            AttackFigures("square", "survivors", share(61.5), 6, None),
        ],
        classes=[ClassFigures(each, share(97), share(61.5), None, "dog") for each in names],
        confusion=[[7, 3, *[0] * (len(names) - 2)] for _ in names],
    )


def planted(names: list[str] | None = None) -> Audit:
    names = names or NAMES
    return Audit(
        subject=Subject("own", 0, "m.pt2", "ab" * 32, "photos", "test", 400, names, [1, 4, 4]),
        level="weak",
        headline="Weak spot: class cat breaks first",
        sentence="It is right on 97.0 % of samples as they are.",
        advice=[Advice("Make hard samples", "Because.", "hardshard build own --model.path m.pt2")],
        clean=share(97),
        norms=[norm("linf", names), norm("l2", names)],
        breaks=[],
        corruptions=[Corruption("motion_blur", [90, 80, 70, 60, 50])],
        trust=Masking("trusted", (MaskingCheck("gradient is there", True, {}, "It reaches all.", "Else, look."),)),
        latent=LatentFigures("runs/x", 500, share(80), 1.0, share(45), share(5), {}),
        seconds={"audit/linf-pgd": 1.5},
    )


def found(space: str) -> Found:
    about = Break("key", "nearest", 2, 0, space, 0.05, "apgd_ce")
    return Found(about, np.full((1, 4, 4), 0.5), np.full((1, 4, 4), 0.55))


class Page(HTMLParser):
    """Checks nesting, and gathers what is asked of the network, pictures without words, and headers without scope."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.wordless: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.outside += [v for k, v in attrs if k in ("src", "srcset") and not v.startswith("data:")]
        self.outside += [tag] if tag in ("link", "script", "iframe") else []
        self.wordless += [tag] if tag == "img" and not given.get("alt") else []
        self.wordless += [tag] if tag == "svg" and "aria-label" not in given and "aria-hidden" not in given else []
        self.wordless += [tag] if tag == "th" and "scope" not in given else []
        self.ids |= {given["id"]} if "id" in given else set()
        self.links |= {given["href"]} if "href" in given else set()
        self.open += [] if tag in ALONE else [tag]

    def handle_startendtag(self, tag, attrs):  # noqa: ARG002
        assert tag in ALONE

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html() -> str:
    return render(planted(), [found("linf"), found("l2"), found("latent")])


def test_it_is_one_well_formed_file_that_asks_the_network_for_nothing(html):
    page = Page(html)

    assert page.open == []
    assert page.outside == []
    assert "url(" not in html
    assert "@import" not in html


def test_pictures_have_words_and_table_headers_a_scope(html):
    assert Page(html).wordless == []


def test_links_lead_to_sections_that_are_there(html):
    page = Page(html)

    assert {link.removeprefix("#") for link in page.links} <= page.ids


def test_names_from_the_data_are_text_and_no_markup(html):
    assert "<b>eel</b>" not in html
    assert "&lt;b&gt;eel&lt;/b&gt;" in html


def test_the_first_screen_has_the_headline_the_figures_and_what_to_do(html):
    top = re.sub(r"<[^>]+>", " ", html[html.index("<main>") : html.index('id="curves"')])

    assert "Weak spot: class cat breaks first" in top
    assert "97.0 %" in top
    assert "61.5 %" in top
    assert "hardshard build own --model.path m.pt2" in top


def test_it_is_the_same_page_each_time(html):
    assert render(planted(), [found("linf"), found("l2"), found("latent")]) == html


def test_many_classes_are_listed_instead_of_drawn_as_a_matrix():
    names = [f"kind {n}" for n in range(MOST_CLASSES + 1)]

    html = render(planted(names), [])

    assert "a label a row" not in html
    assert "Most frequent wrong answers" in html
    assert "classes that hold better" in html


def test_what_was_not_looked_at_has_no_section():
    bare = replace(planted(), trust=None, latent=None, corruptions=[], norms=planted().norms[1:])

    html = render(bare, [])

    assert not {"trust", "latent", "corruptions"} & Page(html).ids
    assert "L∞" not in html


@pytest.mark.parametrize("passed", [True, False])
def test_a_model_at_chance_is_called_neither_trusted_nor_suspicious(passed):
    check = MaskingCheck("gradient is there", passed, {}, "It reaches all.", "Else, look.")

    html = render(replace(planted(), level="untrusted", trust=Masking("unknown", (check,))), [])

    assert html.count("Nobody knows") == 2  # in the tile, and in the section
    assert "Yes" not in html
    assert "<b>No.</b>" not in html


def test_a_model_that_hides_its_errors_is_not_called_trusted():
    check = MaskingCheck("gradient is there", False, {}, "No gradient.", "Look for quantisation.")

    html = render(replace(planted(), level="untrusted", trust=Masking("suspicious", (check,))), [])

    assert "Look for quantisation." in html
    assert "0 of 1 masking checks passed" in html
