"""``python -m validation_reports REPORT.JSON``: page and PDF of a stored report, from its JSON
alone; ``--without-pdf`` leaves the PDF out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from validation_reports.errors import ReportFormatError
from validation_reports.report_folder import render_again


def main(arguments: list[str] | None = None) -> int:
    """Render again; return 0, or 1 with a sentence where the file is no report."""
    parser = argparse.ArgumentParser(prog="python -m validation_reports", description=__doc__)
    parser.add_argument("report", type=Path, help="report.json, or the folder that holds it")
    parser.add_argument("--without-pdf", action="store_true", help="make the page alone")
    options = parser.parse_args(arguments)
    try:
        without_pdf = render_again(options.report, pdf=not options.without_pdf)
    except ReportFormatError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if without_pdf:
        sys.stderr.write(f"{without_pdf}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
