"""The commands of ``python -m flows`` for operators: release, accept, requeue, redeliver, and who
released what.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_operator_commands(commands: Any) -> None:
    """Add ``release``, ``releases``, ``accept``, ``requeue`` and ``redeliver``."""
    release = commands.add_parser(
        "release", help="let a quarantined study be scored all the same; this is recorded"
    )
    release.add_argument(
        "study_key", metavar="STUDY", help="the study's pseudonym, or its patient's"
    )
    release.add_argument(
        "--reason", required=True, help="why; it stands in the structured report. No patient's data"
    )
    release.add_argument("--by", required=True, metavar="NAME", help="who decides")
    release.set_defaults(command=_release)

    releases = commands.add_parser(
        "releases", help="list who released which study, when, why, and despite which findings"
    )
    releases.set_defaults(command=_releases)

    accept = commands.add_parser(
        "accept", help="let the refused newer contents of a study take the place of the first"
    )
    accept.add_argument(
        "study_key", metavar="STUDY", help="the study's pseudonym, or its patient's"
    )
    accept.add_argument("--reason", required=True, help="why; no patient's data")
    accept.add_argument("--by", required=True, metavar="NAME", help="who decides")
    accept.add_argument(
        "--instance",
        metavar="KEY",
        help="only this instance, by the beginning of its file's name in the quarantine",
    )
    accept.set_defaults(command=_accept)

    requeue = commands.add_parser(
        "requeue", help="let held, failed, quarantined or incomplete studies be worked on again"
    )
    requeue.add_argument(
        "studies", nargs="*", metavar="STUDY", help="pseudonyms of studies or of patients"
    )
    requeue.add_argument(
        "--center", help="instead: all studies of this centre in the states of --state"
    )
    requeue.add_argument(
        "--state",
        action="append",
        choices=["held", "quarantined", "incomplete"],
        help="with --center; may be given several times (default: held)",
    )
    requeue.add_argument(
        "--again", action="store_true", help="also studies that are scored or extracted already"
    )
    requeue.set_defaults(command=_requeue)

    redeliver = commands.add_parser(
        "redeliver", help="send the structured report of a study to its PACS again"
    )
    redeliver.add_argument(
        "study_key", metavar="STUDY", help="the study's pseudonym, or its patient's"
    )
    redeliver.set_defaults(command=_redeliver)


def _release(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415 - the libraries take seconds to import
    from flows.installation import installation  # noqa: PLC0415
    from flows.operators.release_study import release_in_words, release_quarantined  # noqa: PLC0415

    try:
        release = release_quarantined(installation(), options.study_key, options.reason, options.by)
    except NodeError as error:
        return _refused(error)
    print(release_in_words(release))
    return 0


def _releases(_options: argparse.Namespace) -> int:
    from flows.installation import installation  # noqa: PLC0415
    from flows.operators.release_study import release_in_words  # noqa: PLC0415

    lines = [release_in_words(release) for release in installation().registry.releases.recorded()]
    print("\n".join(lines or ["No study has been released."]))
    return 0


def _accept(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415
    from flows.operators.accept_newer import accept_in, accepted_in_words  # noqa: PLC0415

    try:
        accepted = accept_in(
            installation(), options.study_key, options.reason, options.by, options.instance
        )
    except NodeError as error:
        return _refused(error)
    print(accepted_in_words(accepted))
    return 0


def _requeue(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from dicom_node.registry.registry import StudyState  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415
    from flows.operators.requeue import (  # noqa: PLC0415
        RequeueRequest,
        again_in_words,
        requeue_studies,
    )

    request = RequeueRequest(
        studies=options.studies,
        center=options.center,
        states=[StudyState(state) for state in options.state or ["held"]],
        again=options.again,
    )
    try:
        done, refused = requeue_studies(installation(), request)
    except NodeError as error:
        return _refused(error)
    print(again_in_words(len(done)))
    for sentence in refused:
        print(sentence, file=sys.stderr)
    return 1 if refused else 0


def _redeliver(options: argparse.Namespace) -> int:
    from dicom_node.errors import NodeError  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415
    from flows.operators.redeliver import deliver_again  # noqa: PLC0415

    try:
        print(deliver_again(installation(), options.study_key))
    except NodeError as error:
        return _refused(error)
    return 0


def _refused(error: Exception) -> int:
    print(error, file=sys.stderr)
    return 1
