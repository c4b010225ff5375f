"""The commands of ``python -m flows`` for the portal: serve it, and say who may look."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any


def add_portal_commands(commands: Any) -> None:
    """Add ``portal`` and ``portal-user``."""
    portal = commands.add_parser(
        "portal", help="show studies, validations and reports to browsers, until stopped"
    )
    portal.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    portal.add_argument(
        "--port", type=int, default=4280, help="port to listen on (default: %(default)s)"
    )
    portal.set_defaults(command=_portal)

    user = commands.add_parser("portal-user", help="say who may look at the portal")
    actions = user.add_subparsers(required=True, metavar="action")
    add = actions.add_parser("add", help="let somebody look, or change what and by which password")
    add.add_argument("name", metavar="NAME", help="by which the person logs in")
    add.add_argument(
        "--center",
        action="append",
        help="only this centre; may be given several times (default: all)",
    )
    add.add_argument(
        "--without-password",
        action="store_true",
        help="for who comes through a proxy that names its users",
    )
    add.set_defaults(command=_add)
    remove = actions.add_parser("remove", help="let somebody look no more, from now on")
    remove.add_argument("name", metavar="NAME", help="the user")
    remove.set_defaults(command=_remove)
    listed = actions.add_parser("list", help="list who may look, and at what")
    listed.set_defaults(command=_list)


def _portal(options: argparse.Namespace) -> int:
    import uvicorn  # noqa: PLC0415 - the libraries take seconds to import

    from dicom_node.log_format import configure_logging  # noqa: PLC0415
    from flows.installation import installation  # noqa: PLC0415
    from flows.portal.app import Portal  # noqa: PLC0415

    work = installation()
    configure_logging(work.settings.node.log_format)
    uvicorn.run(
        Portal(work).application(),
        host=options.host,
        port=options.port,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        limit_concurrency=200,
        timeout_graceful_shutdown=5,
    )
    return 0


def _add(options: argparse.Namespace) -> int:
    from dicom_node.settings import SettingsError  # noqa: PLC0415
    from flows.portal.users import User, hashed, read_users, write_users  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    centers = None if options.center is None else tuple(dict.fromkeys(options.center))
    if unknown := sorted(set(centers or ()) - {center.name for center in settings.centers()}):
        known = ", ".join(center.name for center in settings.centers()) or "none"
        raise SettingsError(
            f"The settings file has no centre {', '.join(unknown)}: it has {known}."
        )
    try:
        user = User(options.name, centers, None)
        if not options.without_password:
            user = User(options.name, centers, hashed(_asked_password()))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    users = read_users(settings.portal_folder())
    write_users(settings.portal_folder(), [*({**users, user.name: user}).values()])
    print(_in_words(user))
    return 0


def _remove(options: argparse.Namespace) -> int:
    from flows.portal.users import read_users, write_users  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    users = read_users(settings.portal_folder())
    if options.name not in users:
        print(
            f"There is no user {options.name}: python -m flows portal-user list says who may look.",
            file=sys.stderr,
        )
        return 1
    del users[options.name]
    write_users(settings.portal_folder(), list(users.values()))
    print(f"{options.name} may look no more.")
    return 0


def _list(_options: argparse.Namespace) -> int:
    from flows.portal.users import read_users  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    users = read_users(Settings.load().portal_folder())
    print("\n".join(_in_words(user) for user in users.values()) or "Nobody may look yet.")
    return 0


def _asked_password() -> str:
    """Return the password that is typed twice; the first line of a standard input that is no
    terminal.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != first:
        raise ValueError("The two passwords differ: nothing was changed.")
    return first


def _in_words(user: Any) -> str:
    sees = "every centre" if user.centers is None else f"centre {', '.join(user.centers)}"
    how = "" if user.password is not None else ", through a proxy only"
    return f"{user.name} may look at {sees}{how}."
