"""The files of a study in the archive, read as they were received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.reading import StudyReading, read_study

_Begun = Future[tuple[StudyFiles, StudyReading]]
_begun: ContextVar[list[_Begun] | None] = ContextVar("begun", default=None)


def read_archived(files: StudyFiles) -> StudyReading:
    """Read the files of a study in the archive, each once and as it was received; what
    `reading_begun` has read is taken, once.

    Raises
    ------
    StudyDefect
        If a file changed on disk, or cannot be read.
    """
    if begun := _begun.get():
        ahead = begun.pop()
        # what failed there is done again, and raised here
        if ahead.exception() is None and ahead.result()[0] == files:
            return ahead.result()[1]
    return read_study(
        [instance.path for instance in files.ct],
        files.rtstruct.path,
        {one.path: one.content_sha256 for one in (files.rtstruct, *files.ct)},
    )


@contextmanager
def reading_begun(files: Callable[[], StudyFiles]) -> Iterator[None]:
    """Read a study beside what its run does first, most of which is waiting for the Prefect server.

    Parameters
    ----------
    files : callable
        Returns which files; called in the thread that reads.
    """

    def read() -> tuple[StudyFiles, StudyReading]:
        found = files()
        return found, read_archived(found)

    with ThreadPoolExecutor(1, "reading") as pool:
        token = _begun.set([pool.submit(read)])
        try:
            yield
        finally:
            _begun.reset(token)
