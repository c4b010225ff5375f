"""Users, their passwords and the file that holds them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dicom_node.settings import SettingsError
from flows.portal.users import (
    FILE_NAME,
    LEAST_CHARACTERS,
    User,
    hashed,
    is_password,
    read_users,
    write_users,
)

PASSWORD = "quite a long one"  # noqa: S105 - of nobody


def test_a_password_is_known_again_and_never_kept() -> None:
    kept = hashed(PASSWORD)
    assert is_password(PASSWORD, kept)
    assert not is_password(f"{PASSWORD} ", kept)
    assert not is_password("", kept)
    assert PASSWORD not in kept
    assert hashed(PASSWORD) != kept
    assert not is_password(PASSWORD, None)


def test_a_short_password_is_refused() -> None:
    with pytest.raises(ValueError, match=f"expected {LEAST_CHARACTERS} to 256"):
        hashed("short")


def test_a_user_sees_what_is_of_his_centres_alone() -> None:
    some, every = User("nora", ("north", "east"), None), User("anna", None, None)
    assert some.may_see("north")
    assert not some.may_see("south")
    assert some.may_see_all_of(["north", "east"])
    assert not some.may_see_all_of(["north", "south"])
    assert not some.may_see_all_of([])
    assert every.may_see("south")
    assert every.may_see_all_of([])


@pytest.mark.parametrize("name", ["", "a b", "../x", "a" * 65, "-x", "ä"])
def test_a_name_is_of_plain_characters(name: str) -> None:
    with pytest.raises(ValueError, match="is not a user's name"):
        User(name, None, None)


def test_users_are_kept_for_their_owner_only(tmp_path: Path) -> None:
    assert read_users(tmp_path / "portal") == {}
    users = [User("anna", None, hashed(PASSWORD)), User("nora", ("north",), None)]
    write_users(tmp_path / "portal", users)
    assert read_users(tmp_path / "portal") == {one.name: one for one in users}
    file = tmp_path / "portal" / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"users": [{"name": "anna"}]}',
        '{"users": [{"name": "anna", "centers": "north", "password": null}]}',
        '{"users": [{"name": "anna", "centers": [], "password": null}]}',
        '{"users": [{"name": "anna", "centers": null, "password": "plain"}]}',
        '{"users": [{"name": "anna", "centers": null, "password": "md5$1$1$1$AA==$AA=="}]}',
        '{"users": [{"name": "anna", "centers": null, "password": "scrypt$9999999$8$1$A$A"}]}',
    ],
)
def test_a_file_that_holds_no_users_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(SettingsError, match="make the users again"):
        read_users(tmp_path)


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    write_users(tmp_path, [User("nora", ("north",), None)])
    kept = json.loads((tmp_path / FILE_NAME).read_text())
    assert kept == {"users": [{"name": "nora", "centers": ["north"], "password": None}]}
