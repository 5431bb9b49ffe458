"""The gate in pytest-html's page: a word of its own for what is inconclusive, and each check with its charts.

pytest-html knows a fixed set of results, and its script hides a row of any other. So an inconclusive check is filtered
as one of its errors (and one that is allowed as skipped), and called what it is wherever a person reads.
"""

import os
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from gate._drilled import RAN, Drilled
from gate._items import CheckItem
from reports.fragments import CLASS, Fragments, stylesheet

if TYPE_CHECKING:
    from gate._result import Result

WORDS = {"inconclusive": "Inconclusive", "inconclusive but allowed": "Inconclusive (allowed)"}


class Rows:
    """What pytest-html asks of a plugin."""

    def __init__(self, config: pytest.Config) -> None:
        self.result: Result | None = None
        self._context = config.option.drill_context
        page = getattr(config.option, "htmlpath", None)
        self._folder = None if page is None else Path(os.path.expandvars(page)).expanduser().absolute().parent
        self._fragments: dict[Path, Fragments] = {}
        self._by_test: list[Drilled] = []
        self._data: Any = None

    def by_test(self, done: Drilled) -> None:
        """A drill that a test of Python has run; the test's own row shows it."""
        self._by_test.append(done)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Put the charts and the verdicts into the row."""
        report = yield
        if self._folder is None:
            return report
        extras: list[dict[str, Any]] = []
        if isinstance(item, CheckItem) and report.when == "setup":
            extras = self._of_check(item)
        elif report.when == "call":
            extras = [each for done in self._by_test for each in self._of_drill(done)]
            self._by_test.clear()
        if extras:
            report.extras = [*getattr(report, "extras", []), *extras]
        return report

    def _of_check(self, item: CheckItem) -> list[dict[str, Any]]:
        if item.verdict is None:
            return []
        if item.name == RAN and len(item.drills) == 1:
            return self._of_drill(item.drills[0])
        links = [link for done in item.drills for link in self._links(done)]
        single = item.drills[0] if len(item.drills) == 1 else None
        fragments = self._of(single) if single is not None else None
        html = Fragments.table((item.verdict,)) if fragments is None else fragments.of(item.verdict)
        return [_html(html), *links]

    def _of_drill(self, done: Drilled) -> list[dict[str, Any]]:
        fragments = self._of(done)
        html = Fragments.table((done.ran,)) if fragments is None else fragments.overview(done.ran)
        return [_html(html), *self._links(done)]

    def _of(self, done: Drilled) -> Fragments | None:
        if done.record is None:
            return None
        path = done.record.path
        if path not in self._fragments:
            self._fragments[path] = Fragments(done.record, self._href(path), f"run{len(self._fragments)}")
        return self._fragments[path]

    def _links(self, done: Drilled) -> list[dict[str, Any]]:
        if done.record is None:
            return []
        page = f"{self._href(done.record.path)}/report.html"
        return [{"name": "run record", "format_type": "url", "content": page, "mime_type": None, "extension": None}]

    def _href(self, path: Path) -> str:
        """From the page to a record beside it, so that both can be moved together."""
        return quote(os.path.relpath(path.absolute(), self._folder))

    # -- pytest-html's own hooks -------------------------------------------------------------------------------------

    def pytest_html_report_title(self, report: Any) -> None:
        """The title, and the word for what pytest-html counts as errors."""
        self._data = report
        report.title = f"drill gate on {self._context}"
        report.outcomes["error"]["label"] = "Inconclusive or broken"
        report.outcomes["skipped"]["label"] = "Skipped or allowed to be inconclusive"

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Call an inconclusive check so, whichever phase of a test said it."""
        word = WORDS.get(getattr(report, "drill_category", ""))
        if word is not None and cells:
            cells[0] = f'<td class="col-result drill-outcome inconclusive">{word}</td>'
            cells[1] = f'<td class="col-testId">{escape(report.nodeid)}</td>'

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """The scenarios in one table; and the rows' results as pytest-html's script can filter them."""
        for tests in self._data.data["tests"].values():
            for test in tests:
                if test.get("result") in WORDS.values():
                    test["result"] = "Error" if test["result"] == WORDS["inconclusive"] else "Skipped"
        templates = Environment(
            loader=PackageLoader("gate"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters["href"] = lambda path: self._href(Path(path))
        style = (files("gate") / "templates" / "style.css").read_text(encoding="utf-8") + stylesheet()
        prefix.append(templates.get_template("summary.html.j2").render(result=self.result, style=style))


def _html(content: str) -> dict[str, Any]:
    html = f'<div class="{CLASS}">{content}</div>'
    return {"name": None, "format_type": "html", "content": html, "mime_type": None, "extension": None}
