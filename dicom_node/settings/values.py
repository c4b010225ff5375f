"""The values of the settings file: what each kind of them may be, said once."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field

from dicom_node.center import is_ae_title
from dicom_node.wording import counted

ROOT: Final = Path(__file__).resolve().parent.parent.parent
"""The checkout, from which relative paths of the settings count."""
TABLE: Final = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
"""Of every table: an unknown key is an error, and no number is infinite or none at all."""

_LONGEST_AE_TITLE = 16
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_NUMBERS_AND_DOTS = re.compile(r"[0-9.]+")
_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_HOST = 253
_LAST_PORT = 65535
_YEAR_S = 366 * 86400
_STORE_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_DRIVER_OF = {"sqlite": ("sqlite", "sqlite+pysqlite"), "postgresql": ("postgresql+psycopg",)}


def _ae_title(value: str) -> str:
    if is_ae_title(value):
        return value
    if not value.strip():
        found = "is blank"
    elif value != value.strip(" "):
        found = "begins or ends with a blank, which no caller's title does when it is compared"
    elif len(value) > _LONGEST_AE_TITLE:
        found = f"has {counted(len(value), 'character')}"
    elif "\\" in value:
        found = "holds a backslash"
    else:
        found = "holds a character outside the printable ones of ASCII"
    raise ValueError(
        f"{value!r} is not an AE title, it {found}: expected 1-16 printable characters of ASCII "
        "without a backslash (PS3.5 section 6.2)."
    )


def _port(value: int) -> int:
    if not 0 < value <= _LAST_PORT:
        raise ValueError(f"{value} is not a TCP port: expected 1 to {_LAST_PORT}.")
    return value


def _host(value: str) -> str:
    if not is_host(value):
        raise ValueError(
            f"{value!r} is not an address or host name: expected one like 127.0.0.1, 0.0.0.0 (all "
            "of this machine's) or pacs.example, without a port or http://."
        )
    return value


def _peer(value: str) -> str:
    if value in _EVERYWHERE:
        raise ValueError(
            f"{value} means every address of this machine, and nobody can be called there: give "
            "the peer's own."
        )
    return value


def is_host(value: str) -> bool:
    """Say whether `value` is an IPv4 or IPv6 address, or a host name (RFC 1123 section 2.1)."""
    try:
        ip_address(value)
    except ValueError:
        return (
            len(value) <= _LONGEST_HOST
            and not _NUMBERS_AND_DOTS.fullmatch(value)  # an address with a slip
            and all(_HOST_LABEL.fullmatch(label) for label in value.removesuffix(".").split("."))
        )
    return True


def _path(value: Path) -> Path:
    text = str(value)
    if not text.isprintable() or text != text.strip():
        raise ValueError(
            f"{text!r} is not a usable path: it holds a control character, or a blank at an end."
        )
    if text.startswith("~"):
        raise ValueError(
            f"{text!r} begins with ~, which stands for nothing here: write the whole path."
        )
    if _ELSEWHERE.match(text):
        raise ValueError(
            f"{text!r} is an address or a path of Windows, expected a file or folder of this "
            "machine."
        )
    if text == ".":
        raise ValueError("The path is empty, or the checkout itself: name a folder or file.")
    return ROOT / value


def _registry_url(value: str) -> str:
    # The URL may hold a password, so that no sentence shows it.
    scheme, colon, rest = value.partition("://")
    family = scheme.partition("+")[0]
    if not colon or family not in _DRIVER_OF:
        raise ValueError(
            f"The registry's URL begins with {scheme if colon else 'no scheme'}: expected "
            "postgresql+psycopg://user:password@host/database, or sqlite:////folder/file."
        )
    if scheme not in _DRIVER_OF[family]:
        raise ValueError(
            f"The registry's URL begins with {scheme}://, whose driver is not part of this "
            f"software: expected {_DRIVER_OF[family][-1]}:// for the same database."
        )
    if family == "sqlite" and not rest.partition("?")[0].startswith("//"):
        raise ValueError(
            "The registry's URL names no file that all parts find: expected sqlite:////folder/file "
            "with four slashes, or no registry_url for one in the node's folder."
        )
    if family == "postgresql":
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ValueError(
                "The registry's URL has no usable port: expected "
                "postgresql+psycopg://user:password@host:5432/database; characters of the password "
                "such as / and # are written as %2F and %23."
            ) from None
    return value


def _store(value: str) -> str:
    scheme, colon, rest = value.partition("://")
    if not colon:
        return str(_path(Path(value)))
    if scheme not in _STORE_SCHEMES or not rest.strip("/"):
        raise ValueError(
            f"{value!r} is no place for the feature store: expected a folder, or an object store "
            f"such as s3://bucket/prefix ({', '.join(_STORE_SCHEMES)})."
        )
    return value


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and is_host(parts.hostname or "")
        usable = usable and (parts.port is None or parts.port > 0) and " " not in value
    except ValueError:
        usable = False
    if usable and "@" in parts.netloc:
        # no sentence shows the password
        raise ValueError(
            "The address holds a name or a password: take it out, it belongs into annulus.env."
        )
    if usable and (parts.query or parts.fragment):
        raise ValueError(
            f"{value!r} goes on after its path, by ? or #: expected an address that others go on "
            "from, like http://reports.example:4280/."
        )
    if not usable:
        raise ValueError(
            f"{value!r} is not an address for a browser: expected one like "
            "http://reports.example:4280/."
        )
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
"""PS3.5 section 6.2, VR AE."""
Port = Annotated[int, AfterValidator(_port)]
"""A TCP port."""
Host = Annotated[str, AfterValidator(_host)]
"""An address, or a host name."""
Peer = Annotated[str, AfterValidator(_host), AfterValidator(_peer)]
"""The address or name of a machine that is called."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""Where a browser finds something."""
Place = Annotated[Path, AfterValidator(_path)]
"""A file or folder; a relative path counts from the checkout."""
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]
"""A SQLAlchemy URL whose driver is part of this software."""
StorePlace = Annotated[str, AfterValidator(_store)]
"""A folder, or the URL of an object store."""
Seconds = Annotated[float, Field(gt=0, le=_YEAR_S)]
"""A time to wait: more than none, a year at most."""
Days = Annotated[float, Field(ge=0, le=36525)]
"""A time to keep something: a hundred years at most; 0 is for ever."""
