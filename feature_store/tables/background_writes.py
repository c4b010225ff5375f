"""Writes that go on, one after the other, while their caller computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self

P = ParamSpec("P")


class BackgroundWrites:
    """A thread that does writes in the order in which they were given; leaving the context awaits
    them.

    Raises
    ------
    Exception
        On leaving: what the first write that failed has raised, in place of whatever else was
        raised within.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background-writes")
        self._given: list[Future[None]] = []

    def give(self, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have something written, and return at once."""
        self._given.append(self._thread.submit(write, *args, **kwargs))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        for write in self._given:
            write.result()
