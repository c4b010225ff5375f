"""Every code of the rule tables as one page in Markdown: what is expected, and what follows where
it is not so.
"""

from __future__ import annotations

from collections.abc import Collection

from feature_store.expectations.refusals import REFUSALS
from feature_store.expectations.suites import SUITE_TITLES, SUITES
from feature_store.rules import Rule, Severity
from validation_reports.expectation_pages.pages import OF_STUDIES

_HEAD = """\
# Codes

Every code under which something is said of a study, a clinical table or a cohort, as
`python -m flows query findings` and the pages on the expectations show it. `python -m flows codes`
prints this page from the rule tables. The sentence that comes with a code says what was found,
where, and how to mend it. A code keeps its meaning for ever.

- **quarantined**: the study is not scored before it is mended and pushed again. **refused**: the
  table is not imported, or the cohort not analysed.
- **warning**: it is scored all the same, and the sentence goes into the structured report and the
  validation report.
- **may quarantine**: `[expectations] quarantine` may name the code, and an operator may then
  release a study despite it (`python -m flows release`). *by default* is what the settings name
  if nothing else is said.
"""
_ON_THE_WAY = """
## On the way from files to features

What loading and measuring refuse: the study is quarantined, and cannot be released, since no
features can be computed.

| code | expected |
| --- | --- |
"""


def code_page(quarantine: Collection[str]) -> str:
    """Return the page.

    Parameters
    ----------
    quarantine : collection of str
        Codes of warnings that quarantine a study by default.
    """
    parts = [_HEAD]
    for name, rules in SUITES.items():
        of_studies = name in OF_STUDIES
        parts += [
            f"\n## {SUITE_TITLES[name]}\n\n",
            "| code | expected | if not |" + (" may quarantine |" if of_studies else "") + "\n",
            "| --- | --- | --- |" + (" --- |" if of_studies else "") + "\n",
            *(_row(rule, quarantine, of_studies=of_studies) for rule in rules),
        ]
    parts.append(_ON_THE_WAY)
    parts += [f"| `{code}` | {expected} |\n" for code, expected in REFUSALS.items()]
    return "".join(parts)


def _row(rule: Rule, quarantine: Collection[str], *, of_studies: bool) -> str:
    critical = "quarantined" if of_studies else "refused"
    cells = [
        f"`{rule.code}`",
        rule.expected,
        critical if rule.severity is Severity.CRITICAL else "warning",
    ]
    if of_studies:
        by_default = "by default" if rule.code in quarantine else "yes"
        cells.append(by_default if rule.releasable else "no")
    return f"| {' | '.join(cells)} |\n"
