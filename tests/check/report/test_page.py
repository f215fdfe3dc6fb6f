"""The page: well-formed, in need of nothing outside, deaf to what a history holds, and bounded."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest

from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.register import check_register
from trilemma.check.report import page, text
from trilemma.check.report.data import Report, SideShare, Subject
from trilemma.check.report.style import CSS, SCRIPT
from trilemma.check.verdict import invalid, unknown, valid

PAGE_BYTES_MAX = 10_000_000
VOID = {"meta", "br"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "h1", "h2", "h3", "p", "b", "div", "span"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "code", "ul", "ol", "li", "button", "script"),
    *("svg", "defs", "path", "pattern", "circle", "marker", "rect", "line", "text", "use", "g"),
}
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "<!-- ]]> </svg></style>",
    "&lt;b&gt; &amp;",
    "\u202egnitsixe\x00\x1b[31m\ud800",
    "https://elsewhere.example/x.js",
]


class Page(HTMLParser):
    """What a page consists of; refuses what is not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), "an attribute stands twice"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        raise AssertionError(f"<{tag}/> is not closed as HTML closes")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif not self._open or self._open[-1] != "style":
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment came from somewhere")


def history(size: int, value: bytes = b"v", node: str = "n%d") -> list[Operation]:
    """Reads and writes of six processes on one register, one in ten refused, one in thirty unknown, none stale."""
    rng = Random(5)
    last = None
    found = []
    for number in range(size):
        process, at_us = number % 6, 1_000_000 + 5_000 * number
        outcome = "fail" if number % 10 == 3 else "info" if number % 30 == 7 else "ok"
        where = node % (process // 2 + 1) if "%" in node else node
        end_us = None if outcome == "info" else at_us + rng.randrange(200, 4_000)
        if number % 2 or outcome != "ok":
            written = b"%s%d" % (value, number)
            last = written if outcome == "ok" else last
            found.append(Operation(process, at_us, end_us, "write", b"k", written, None, outcome, where))  # type: ignore[arg-type]
        else:
            found.append(Operation(process, at_us, end_us, "read", b"k", None, last, "ok", where))
    return found


def stale(operations: Sequence[Operation]) -> Operation:
    """A read, after all else, of a value that was replaced long before."""
    end_us = max(each.complete_us or 0 for each in operations)
    first = next(each for each in operations if each.kind == "write" and each.outcome == "ok")
    return Operation(7, end_us + 100, end_us + 900, "read", b"k", None, first.argument, "ok", "n3")


def report(operations: Sequence[Operation]) -> Report:
    """A run with one fault, judged."""
    middle_us = operations[len(operations) // 2].invoke_us
    subject = Subject(
        "bank",
        "cp",
        "register",
        operations,
        [check_register(operations)],
        [valid("sequential", "looked at too")],
        ["causal"],
        ["linearizable"],
        [
            SideShare("whole", "n1 n2 n3", 90, 8, 2, 900, 3_000, 2_000_000, 40, 3, 2, 34_500),
            SideShare("F1", "n1 n2", 20, 0, 0, 900, 3_000, 3_000, 9, 0, 0, 0),
            SideShare("F1", "n3", 0, 5, 0, 0, 0, 0),
        ],
        {"99 % of reads": "3 ms, 1 version"},
        {"n1": "cafe", "n2": "cafe"},
    )
    cut = Fault("cut", "n3 from n1 n2", middle_us, middle_us + 40_000, ("n3",), (("n1", "n2"), ("n3",)))
    return Report(
        "a run", "forged", "registers", "cuts", [subject], [cut], {"seed": "5"}, ["Nothing was cut in truth."]
    )


def broken() -> Report:
    operations = history(400)
    return report([*operations, stale(operations)])


def test_the_page_is_well_formed_also_its_drawings() -> None:
    source = page.render(broken())
    assert {name for name, _ in Page(source).tags} <= TAGS
    drawings = re.findall(r"<svg.*?</svg>", source.replace("\n", " "))
    assert len(drawings) > 5
    ElementTree.fromstring("<all>" + re.search(r"<body>(.*)<script", source, re.DOTALL)[1] + "</all>")  # type: ignore[index]


def test_the_page_names_no_address_outside_of_itself() -> None:
    source = page.render(broken())
    for _, attributes in Page(source).tags:
        for name, value in attributes.items():
            assert name not in ("src", "srcset", "action", "data", "style")
            assert name not in ("href", "xlink:href") or value.startswith("#")
    assert all(each.startswith("#") for each in re.findall(r"url\(([^)]*)\)", source))
    assert "//" not in source
    assert "@import" not in source
    assert "default-src 'none'" in source.replace("&#39;", "'")


@pytest.mark.parametrize("nasty", HOSTILE)
def test_nothing_that_a_history_holds_becomes_markup(nasty: str) -> None:
    value = nasty.encode("utf-8", "surrogatepass")
    operations = [each._replace(key=value, node=nasty) for each in history(60, value)]
    operations.append(stale(operations)._replace(key=value, kind="read"))
    odd = Operation(9, 5, None, nasty, value, (value, nasty), [nasty], "info", nasty)
    verdicts = [check_register(operations), invalid(nasty, nasty, [odd, *operations[:4]]), unknown(nasty, nasty)]
    words = {nasty: nasty}
    share = SideShare(nasty, nasty, 1, 1, 1, 1, 1, 1)
    subject = Subject(
        nasty, nasty, nasty, [*operations, odd], verdicts, verdicts, [nasty], [nasty], [share], words, words
    )
    fault = Fault(nasty, nasty, 0, nodes=(nasty,), sides=((nasty,),))
    source = page.render(Report(nasty, nasty, nasty, nasty, [subject], [fault], words, [nasty]))
    source.encode()  # no lone surrogate is left
    found = Page(source)
    assert {name for name, _ in found.tags} <= TAGS
    assert [name for name, _ in found.tags].count("script") == 1
    assert found.scripts == [SCRIPT]
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert not any(ord(each) < 32 and each != "\n" for each in source)
    assert "\u202e" not in source
    assert "\x1b" not in text.render(Report(nasty, nasty, nasty, nasty, [subject], [fault], words, [nasty]))


def test_a_history_of_two_hundred_thousand_operations_still_gives_a_small_page() -> None:
    operations = history(200_000)
    source = page.render(report([*operations, stale(operations)]))
    assert len(source.encode()) < PAGE_BYTES_MAX
    assert "of 200,001 operations are drawn" in source
    assert "200,001" in Page(source).text
    assert source.count('class="ok witness"') >= 2, "what the witness needs is drawn"


def test_many_subjects_and_huge_values_still_give_a_small_page() -> None:
    huge = b"\x00" * 1_000_000
    operations = history(300, b"<&'\"")
    odd = Operation(9, 5, 6, "write", huge, huge, huge)
    verdicts = [invalid(f"check {number}", "\x00" * 100_000, [odd] * 3 + operations[:40]) for number in range(60)]
    subject = Subject("s" * 5_000, "", "", [*operations, odd], verdicts, verdicts)
    source = page.render(Report("many", "", "", "", [subject] * 300))
    assert len(source.encode()) < PAGE_BYTES_MAX
    assert "270 subjects more" in source


def test_every_outcome_has_a_shape_and_not_only_a_colour() -> None:
    source = page.render(report(history(90)))
    for outcome, shape in (("fail", "#cross"), ("info", "#triangle")):
        groups = re.findall(rf'<g class="{outcome}[^"]*">(.*?)</g>', source)
        assert groups
        assert all(f'href="{shape}"' in each for each in groups)
    assert all("href" not in each for each in re.findall(r'<g class="ok">(.*?)</g>', source))


def test_the_page_says_what_was_found_in_words() -> None:
    shown = Page(page.render(broken())).text
    for said in (
        "A promise was broken by bank.",
        "linearizable register",
        "came back after it was replaced",
        "n3 from n1 n2",
        "90.0% of 100",
        "No order satisfies all of this",
        "Strongest models that hold: causal.",
        "Weakest models that are broken: linearizable.",
        "All 401 operations are drawn.",
        "cafe",
        "Nothing was cut in truth.",
    ):
        assert said in shown, said


def test_each_of_the_three_letters_stands_before_what_was_measured_of_it() -> None:
    source = page.render(broken())
    parts = re.findall(r'<h3><span class="letter">(.)</span>(.*?)</table>', source, re.DOTALL)
    assert {sign for sign, _ in parts} == {"C", "A", "P"}
    told = dict(parts)
    for sign, said in (("C", "came back after it was replaced"), ("A", "90.0% of 100"), ("P", "n3 from n1 n2")):
        assert said in told[sign]


def test_page_and_text_say_how_stale_the_reads_of_each_side_were_at_most() -> None:
    source = page.render(broken())
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", each)
        for each in source.split("<tr")
        if "sent to" in each or "F1<" in each
    ]
    head = next(each for each in rows if "stale reads" in each)
    place = head.index("stale reads")
    assert head[place + 1] == "stale by at most"
    told = {row[1]: row[place : place + 2] for row in rows if "F1" in row and len(row) == len(head)}
    assert told == {"n1 n2": ["0 of 9", "–"], "n3": ["–", "–"]}
    assert "3 of 40" in source
    assert "34.5 ms, 2 versions" in source
    assert "3 of 40" in text.render(broken())
    assert "34.5 ms, 2 versions" in text.render(broken())


def test_where_no_read_tells_how_stale_it_was_nothing_is_said_of_it() -> None:
    found = broken()
    subject = found.subjects[0]
    silent = replace(subject, shares=[SideShare("whole", "n1", 9, 0, 0, 900, 3_000, 3_000)], staleness={})
    for rendered in (page.render(replace(found, subjects=[silent])), text.render(replace(found, subjects=[silent]))):
        assert "stale" not in rendered


def test_unknown_is_never_called_a_pass() -> None:
    nothing = Report("empty", "none", "none", "none", [])
    undecided = Report("empty", "none", "none", "none", [Subject("s", "", "register", [], [unknown("c", "gave up")])])
    for each in (nothing, undecided):
        for rendered in (page.render(each), text.render(each)):
            assert "This is not a pass" in rendered
            assert "held" not in rendered
        assert each.exit_status == 2


def test_the_plain_table_says_the_same() -> None:
    shown = text.render(broken())
    for said in (
        "A promise was broken by bank.",
        "came back after it was replaced",
        "n3 from n1 n2",
        "process 7 at n3",
    ):
        assert said in shown
    assert "✔ valid: Every promise that was checked held." in text.render(report(history(90)))


def test_the_script_of_the_page_is_the_one_its_policy_allows(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed: the page is not opened in a browser")
    (tmp_path / "page.html").write_text(page.render(broken()))
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert 'class="zoomers" style="display: flex;"' in done.stdout, "the script has run"


NARROW_PX = 420
MEASURE = """<iframe id=page src=page.html style="width:%dpx;height:9000px;border:0"></iframe><pre id=found></pre>
<script>onload = () => setTimeout(() => {
  const inner = document.getElementById("page").contentDocument, view = inner.defaultView, found = [];
  const scrolls = node => node && (view.getComputedStyle(node).overflowX != "visible" || scrolls(node.parentElement));
  for (const node of inner.body.querySelectorAll("*"))
    if (node.getBoundingClientRect().right > %d && !scrolls(node.parentElement)) found.push(node.tagName);
  const wide = [...inner.querySelectorAll(".scroll")].filter(each => each.scrollWidth > each.clientWidth).length;
  const told = {past: found, width: inner.documentElement.scrollWidth, wide: wide};
  document.getElementById("found").textContent = JSON.stringify(told);
}, 200)</script>"""


def test_in_a_narrow_window_wide_tables_scroll_within_themselves(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed: the page is not opened in a browser")
    (tmp_path / "page.html").write_text(page.render(broken()))
    (tmp_path / "outer.html").write_text(MEASURE % (NARROW_PX, NARROW_PX))
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom",
         (tmp_path / "outer.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said = re.search(r"<pre id=\"found\">(.*?)</pre>", done.stdout)
    assert said is not None, done.stdout
    told = json.loads(said[1])
    assert told["past"] == []
    assert told["width"] == NARROW_PX
    assert told["wide"] > 0, "some table is wider than the window, or this shows nothing"


def test_a_table_that_is_cut_off_by_the_window_says_that_there_is_more() -> None:
    (rule,) = re.findall(r"\n\.scroll{(.*?)}", CSS, re.DOTALL)
    assert "overflow-x:auto" in rule
    assert rule.count("no-repeat local") == rule.count("var(--shade)") == 2
