"""An answer waits for its note in the registry for a moment, and not at all behind a stuck one."""

from __future__ import annotations

import threading
import time

import pytest

from dicom_node.errors import RegistryUnavailableError
from dicom_node.intake.prompt_notes import PromptNotes
from tests.support.waiting import wait_until


class _Registry:
    """Takes incidents while it is open."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.error: Exception | None = None
        self.taken: list[str] = []

    def record(self, kind: str, sentence: str, center: str | None, subject: str) -> None:
        assert self.is_open.wait(60)
        if self.error is not None:
            raise self.error
        self.taken.append(f"{kind} {sentence} {center} {subject}")


def test_what_is_taken_at_once_is_noted_when_it_returns() -> None:
    registry = _Registry()
    registry.is_open.set()
    notes = PromptNotes(registry)
    notes.record("a kind", "A sentence.", None, "a subject")
    assert registry.taken == ["a kind A sentence. None a subject"]
    notes.stop()


@pytest.mark.parametrize("error", [RegistryUnavailableError("no"), KeyError("PATIENT^NAME")])
def test_what_is_refused_at_once_is_told(error: Exception) -> None:
    registry = _Registry()
    registry.is_open.set()
    registry.error = error
    notes = PromptNotes(registry)
    with pytest.raises(RegistryUnavailableError) as told:
        notes.record("a", "b", "c", "d")
    assert "PATIENT" not in str(told.value)
    notes.stop()


def test_nobody_waits_behind_a_note_that_is_stuck_and_all_are_noted_in_the_end() -> None:
    registry = _Registry()
    notes = PromptNotes(registry, wait_s=0.2)
    began = time.monotonic()
    for number in range(50):
        notes.record("a", str(number), "c", "d")
    assert time.monotonic() - began < 5.0  # 50 waits are ten seconds
    assert registry.taken == []
    registry.is_open.set()
    notes.stop()
    assert [one.split()[1] for one in registry.taken] == [str(number) for number in range(50)]


def test_what_is_refused_when_nobody_waits_any_more_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = _Registry()
    registry.error = RegistryUnavailableError("The registry did not answer.")
    notes = PromptNotes(registry, wait_s=0.0)
    notes.record("a", "b", "c", "d")
    registry.is_open.set()
    words = "What was to be noted could not be. The registry did not answer."
    wait_until(lambda: words in caplog.text, 20, "it is logged")
    notes.stop()


def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.intake.prompt_notes._MOST_WAITING", 3)
    registry = _Registry()
    notes = PromptNotes(registry, wait_s=0.0)

    def fill() -> bool:
        try:
            notes.record("a", "b", "c", "d")
        except RegistryUnavailableError as error:
            return "3 notes wait for it" in str(error)
        return False

    wait_until(fill, 20, "no more is taken")
    registry.is_open.set()
    notes.stop()
    assert 3 <= len(registry.taken) <= 5
