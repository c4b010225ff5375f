"""Who may look: users with hashed passwords, each for all centres or for some, in a file that only
its owner reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from dicom_node.durable_files import write_durably
from dicom_node.settings import SettingsError
from feature_store.wording import counted

FILE_NAME: Final = "users.json"
LEAST_CHARACTERS: Final = 12
"""Of a password."""
LONGEST_PASSWORD: Final = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_N, _R, _P = 1 << 15, 8, 1
"""Cost of scrypt (RFC 7914 section 2): 32 MiB and some hundredths of a second for each try."""
_MEMORY = 1 << 26
_BYTES = 32
_METHOD = "scrypt"


@dataclass(frozen=True)
class User:
    """Somebody who may look.

    Parameters
    ----------
    name : str
        By which the person logs in, or a proxy names the person.
    centers : tuple of str or None
        The centres that the user may see; `None` for all.
    password : str or None
        `hashed` of the password; `None` for who comes through a proxy only.

    Raises
    ------
    ValueError
        If the name cannot be one, or there is no centre.
    """

    name: str
    centers: tuple[str, ...] | None
    password: str | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is not a user's name: expected 1 to 64 letters, digits and . _ @ -."
            )
        if self.centers is not None and not self.centers:
            raise ValueError(f"User {self.name} may see no centre: name one, or all.")

    def may_see(self, center: str) -> bool:
        """Say whether the user may see a centre."""
        return self.centers is None or center in self.centers

    def may_see_all_of(self, centers: Collection[str]) -> bool:
        """Say whether the user may see what was made of several centres together."""
        return self.centers is None or (bool(centers) and set(centers) <= set(self.centers))


def hashed(password: str) -> str:
    """Return a password's salted hash by scrypt (RFC 7914), with the cost it was made with.

    Raises
    ------
    ValueError
        If it is too short or too long.
    """
    if not LEAST_CHARACTERS <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(
            f"The password has {counted(len(password), 'character')}: expected {LEAST_CHARACTERS} "
            f"to {LONGEST_PASSWORD}."
        )
    salt = secrets.token_bytes(16)
    found = _scrypt(password, salt, _N, _R, _P)
    texts = (base64.b64encode(part).decode() for part in (salt, found))
    return "$".join((_METHOD, str(_N), str(_R), str(_P), *texts))


def is_password(password: str, kept: str | None) -> bool:
    """Say whether a password is the one that was hashed; it takes as long where there is none."""
    method, n, r, p, salt, expected = (kept or _NOBODY).split("$")
    found = _scrypt(password[:LONGEST_PASSWORD], base64.b64decode(salt), int(n), int(r), int(p))
    is_same = hmac.compare_digest(found, base64.b64decode(expected))
    return is_same and method == _METHOD and kept is not None


def read_users(folder: Path) -> dict[str, User]:
    """Return the users by name; none where there is no file.

    Raises
    ------
    SettingsError
        If the file cannot be read as one of users.
    """
    file = folder / FILE_NAME
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The file of users {file} cannot be read ({type(error).__name__}): put it back from a "
            "back-up, or remove it and make the users again."
        ) from error
    try:
        users = [_user(one) for one in kept["users"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise SettingsError(
            f"The file of users {file} does not hold users ({error}): put it back from a back-up, "
            "or remove it and make the users again."
        ) from error
    return {user.name: user for user in users}


def write_users(folder: Path, users: Collection[User]) -> None:
    """Keep the users; a process that reads them meanwhile sees all of before or all of now."""
    text = json.dumps({"users": [asdict(one) for one in users]}, indent=1)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(folder / FILE_NAME, text.encode(), mode=0o600)


def _user(kept: Mapping[str, object]) -> User:
    centers, password = kept["centers"], kept["password"]
    if centers is not None and not isinstance(centers, list):
        raise ValueError("The centres are not a list.")
    if password is not None:
        method, n, r, p, salt, found = str(password).split("$")
        if method != _METHOD or int(n) * int(r) * 128 > _MEMORY or int(p) < 1:
            raise ValueError("A password is not hashed as this software does it.")
        base64.b64decode(salt), base64.b64decode(found)
    return User(
        name=str(kept["name"]),
        centers=None if centers is None else tuple(str(one) for one in centers),
        password=None if password is None else str(password),
    )


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"),
        salt=salt,
        n=n,
        r=r,
        p=p,
        maxmem=_MEMORY + (1 << 20),
        dklen=_BYTES,
    )


_NOBODY: Final = "$".join(
    (_METHOD, str(_N), str(_R), str(_P), *(base64.b64encode(bytes(n)).decode() for n in (16, 32)))
)
"""What a password is held against where a name has none, so that names cannot be told by time."""
