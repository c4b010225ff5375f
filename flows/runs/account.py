"""What a run tells of itself beside its verdict: which centres it is about, its outcome, and its
warnings, each spelled out where the run is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from feature_store.wording import are, counted

_SPELLED_OUT_AT_MOST = 20
_log = logging.getLogger(__name__)


@dataclass
class Account:
    """What has been told so far.

    Parameters
    ----------
    centers : list of str
        Centres that the run is about.
    warnings : list of str
        Sentences.
    """

    centers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


_account: ContextVar[Account | None] = ContextVar("account", default=None)


@contextmanager
def account() -> Iterator[Account]:
    """Begin an account, which `about` and `warn` add to until its context ends."""
    opened = Account()
    token = _account.set(opened)
    try:
        yield opened
    finally:
        _account.reset(token)


def about(*centers: str) -> None:
    """Tell which centres the run is about; nothing happens outside of a run."""
    if (told := _account.get()) is not None:
        told.centers.extend(centers)


def warn(sentence: str) -> None:
    """Log a warning, and spell it out in the run's message."""
    get_run_logger().warning("%s", sentence)
    if (told := _account.get()) is not None:
        told.warnings.append(sentence)


def with_warnings(words: str, warnings: Sequence[str]) -> str:
    """Return a verdict with the warnings that go with it.

    Parameters
    ----------
    words : str
        The verdict.
    warnings : sequence of str
        Sentences; one that is there twice is told once.
    """
    told = list(dict.fromkeys(warnings))
    if not told:
        return words
    shown = " ".join(told[:_SPELLED_OUT_AT_MOST])
    if (others := len(told) - _SPELLED_OUT_AT_MOST) > 0:
        shown += f" {counted(others, 'other')} {are(others)} in the log."
    return f"{words}; {counted(len(told), 'warning')}: {shown}"


def run_tags(centers: Sequence[str], outcome: str | None) -> list[str]:
    """Return the tags by which a run is found again.

    Parameters
    ----------
    centers : sequence of str
        The centres that it is about.
    outcome : str or None
        The name of its final state, if it is known.
    """
    named = [f"center:{one}" for one in dict.fromkeys(centers)]
    ended = [f"outcome:{outcome.lower().replace(' ', '-')}"] if outcome else []
    return [*named, *ended]


def tag_this_run(told: Account, state: State[Any]) -> None:
    """Give the run under way the tags of its centres and its outcome; outside of a run there is
    nothing to do, and a server that does not answer costs the tags only.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    outcome = state.name or state.type.value
    tags = dict.fromkeys([*context.flow_run.tags, *run_tags(told.centers, outcome)])
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=list(tags))
    except httpx.HTTPError as error:
        _log.warning("The run has no tags: the server does not answer (%s).", type(error).__name__)
