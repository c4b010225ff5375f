"""Every part of the container image as ``deploy/compose.yaml`` starts it: as its own user, with a
root that is read-only, and no network but the machine's own.

``make image-check`` unpacks the image, starts the parts with registry and Prefect's database in
files, waits until each says that it is well, shows the UI's page, lets a study be scored and a
deployment run, and ends them. It needs root (mounts, another user). The last line is JSON.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from deploy.demo.push import push
from tests.support import ROOT
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.settings_tables import center_table
from tests.support.synthetic_studies import write_study

USER = 10001
LARGEST_GB = 2.8
NODE_PORT = 11112
_UI = "http://127.0.0.1:4200/"
_READY_WITHIN_S = 300.0
_DATA, _PREFECT_HOME = "/var/lib/annulus", "/var/lib/prefect"
_SCRATCH = "/tmp"  # noqa: S108 - of a container
_INSIDE = "--inside"


@dataclass
class Image:
    """An image that is unpacked, and the processes that were started of it.

    Parameters
    ----------
    root : Path
        Its files.
    environment : mapping of str to str
        What it sets.
    site : Path
        The folder with the volumes and the settings.
    """

    root: Path
    environment: Mapping[str, str]
    site: Path
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(
        self, words: Sequence[str], environment: Mapping[str, str], *, reads_only: bool = False
    ) -> list[str]:
        """Return what runs a command in the image as its user, with nothing but its volumes and
        ``/tmp`` to write to.
        """
        root, site = str(self.root), self.site
        binds = [(site / Path(volume).name, volume) for volume in (_DATA, _PREFECT_HOME)]
        binds += [(site / "etc", "/etc/annulus"), (site / "hosts", "/etc/hosts")]
        mounts = [
            ["mount", "--bind", root, root],
            ["mount", "-o", "remount,bind,ro", root],
            ["mount", "-t", "tmpfs", "-o", "mode=1777", "none", root + _SCRATCH],
            *(["mount", "--bind", str(here), f"{root}{there}"] for here, there in binds),
            ["mount", "--rbind", "/dev", f"{root}/dev"],
            ["mount", "-t", "proc", "proc", f"{root}/proc"],
        ]
        if reads_only:
            mounts.append(["mount", "-o", "remount,bind,ro", f"{root}{_DATA}"])
        inside = {**self.environment, **environment}
        start = ["exec", "chroot", root, "/usr/bin/setpriv", f"--reuid={USER}", f"--regid={USER}"]
        start += ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        start += ["/usr/bin/env", "-i", "-C", "/opt/annulus", *_pairs(inside), *words]
        script = "; ".join(["set -e", *(shlex.join(one) for one in (*mounts, start))])
        return ["unshare", "--mount", "sh", "-c", script]

    def start(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], *, reads_only: bool
    ) -> None:
        """Start a part with a log of its own."""
        with self.log(name).open("wb") as log:
            self.parts[name] = subprocess.Popen(
                self.command(words, environment, reads_only=reads_only), stdout=log, stderr=log
            )

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        done = subprocess.run(
            self.command(words, environment), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def log(self, name: str) -> Path:
        """Return the log of a part."""
        return self.site / f"{name}.log"


def main() -> int:
    """Unpack the image, start every part of it, and say what was seen; 0 when all were well."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture.image", description=__doc__.splitlines()[0]
    )
    parser.add_argument("tag", help="the image, such as annulus:0.1.0")
    parser.add_argument(_INSIDE, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("make image-check mounts the image and changes the user: it needs root")
    if options.inside is not None:
        print(json.dumps(_started(options.inside)))
        return 0
    with tempfile.TemporaryDirectory(prefix="annulus-image-") as name:
        site = Path(name)
        site.chmod(0o755)
        root, environment, forget = _unpacked(options.tag, site)
        try:
            size_gb = _size(root) / 1e9
            print(f"{options.tag}: {size_gb:.2f} GB, expected at most {LARGEST_GB}", flush=True)
            if size_gb > LARGEST_GB:
                raise SystemExit("the image is too large")
            (site / "image.json").write_text(json.dumps({"root": str(root), "env": environment}))
            # a network of its own: nothing outside is there to be asked
            alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
            return subprocess.run(
                [*alone, sys.executable, "-m", __spec__.name, options.tag, _INSIDE, str(site)],
                cwd=ROOT,
                check=False,
            ).returncode
        finally:
            forget()


def _unpacked(tag: str, site: Path) -> tuple[Path, dict[str, str], Callable[[], None]]:
    """Return the image's files, the variables that it sets, and what lets go of the files."""
    for engine in ("docker", "podman"):
        if described := _says(engine, "image", "inspect", tag):
            container = (_says(engine, "create", tag) or "").strip()
            root, packed = site / "root", site / "root.tar"
            root.mkdir()
            subprocess.run([engine, "export", "--output", packed, container], check=True)
            subprocess.run(["tar", "-x", "-f", packed, "-C", root], check=True)
            subprocess.run([engine, "rm", container], check=True, stdout=subprocess.DEVNULL)
            packed.unlink()
            return root, _read(json.loads(described)[0]["Config"]["Env"]), _nothing_to_let_go
    described = _says("buildah", "inspect", "--type", "image", tag)
    if described is None:
        raise SystemExit(f"there is no image {tag} here: make image builds it")
    container = (_says("buildah", "from", "--pull-never", tag) or "").strip()
    root = Path((_says("buildah", "mount", container) or "").strip())

    def let_go() -> None:
        subprocess.run(["buildah", "rm", container], check=True, stdout=subprocess.DEVNULL)

    return root, _read(json.loads(described)["OCIv1"]["config"]["Env"]), let_go


def _nothing_to_let_go() -> None:
    """Do nothing: the files go with the folder that they are in."""


def _says(*command: str) -> str | None:
    """Return what a command says, `None` where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _read(variables: Sequence[str]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in variables)


def _pairs(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _size(root: Path) -> int:
    """Return the bytes of all files, each counted once however many names it has."""
    said = subprocess.run(
        ["du", "-sx", "--apparent-size", "--block-size=1", root],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout.split()[0])


def _started(site: Path) -> dict[str, object]:
    """Start every part within a network of its own, and return what was seen."""
    _bring_up_loopback()
    described = json.loads((site / "image.json").read_text())
    image = Image(Path(described["root"]), described["env"], site)
    secret = {"ANNULUS_PSEUDONYM_KEY": secrets.token_hex(32)}
    _make_site(site, image.root)
    services = _services()
    seen: dict[str, object] = {}
    try:
        for name in ("prefect", "node", "dispatcher", "deployments", "worker", "portal"):
            service = services[name]
            environment = {**secret, **service.get("environment", {})}
            reads_only = any(str(one).endswith(f"{_DATA}:ro") for one in service["volumes"])
            began = time.monotonic()
            image.start(name, service["command"], environment, reads_only=reads_only)
            _wait(image, name, service, environment)
            seen[f"{name}_s"] = round(time.monotonic() - began, 1)
            print(f"{name} is well after {seen[f'{name}_s']} s", flush=True)
        seen["ui"] = _ui()
        seen["scored_s"] = _score_one(image, site, secret)
        environment = {**secret, **services["worker"]["environment"]}
        words = "python -m flows prefect deployment run center-overview/renew-overview --watch"
        code, said = image.run(words.split(), environment)
        if code != 0:
            raise SystemExit(f"the worker did not do what was asked: {said}")
        print("the worker has run a deployment", flush=True)
    finally:
        for process in image.parts.values():
            process.terminate()
        for process in image.parts.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
    for name in image.parts:
        if "Traceback" in (text := image.log(name).read_text(errors="replace")):
            raise SystemExit(f"{name} ended a line of its log in a traceback:\n{text[-4000:]}")
    return seen


def _bring_up_loopback() -> None:
    """Bring up the one interface that a new network has (netdevice(7))."""
    up_and_running, set_flags = 0x1 | 0x40, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def _make_site(site: Path, root: Path) -> None:
    """Make the volumes, the settings and a bundle, which belong to the image's user."""
    for name in (Path(_DATA).name, Path(_PREFECT_HOME).name, "etc"):
        (site / name).mkdir()
    digest = freeze_test_bundle(site / Path(_DATA).name / "bundle")
    (site / "etc" / "annulus.toml").write_text(
        "[node]\nquiet_period_s = 2.0\nsweep_interval_s = 0.2\n"
        f"[model]\nbundle = '{_DATA}/bundle'\ndigest = '{digest}'\n{center_table('B')}"
    )
    (site / "hosts").write_text("127.0.0.1 localhost prefect node\n")
    for path in (site / Path(_DATA).name, site / Path(_PREFECT_HOME).name):
        for one in (path, *path.rglob("*")):
            os.chown(one, USER, USER)
    (root / "etc" / "annulus").mkdir(exist_ok=True)  # as an engine does for what it mounts


def _services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    return dict(found["services"])


def _wait(
    image: Image, name: str, service: Mapping[str, Any], environment: Mapping[str, str]
) -> None:
    """Wait until a part says that it is well: by its own check, or, where it ends, by its end."""
    ends = service.get("restart") == "on-failure"
    check = service.get("healthcheck", {}).get("test", ["CMD", "true"])[1:]
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        code = image.parts[name].poll()
        if code is not None and (code != 0 or not ends):
            said = image.log(name).read_text(errors="replace")[-4000:]
            raise SystemExit(f"{name} ended with exit code {code}:\n{said}")
        if ends and code == 0:
            return
        if not ends and image.run(check, environment)[0] == 0:
            return
        time.sleep(0.5)
    raise SystemExit(f"{name} is not well: {image.log(name).read_text(errors='replace')[-4000:]}")


def _ui() -> str:
    """Return the title of the UI's page, whose script must be there too."""
    with urlopen(_UI, timeout=30) as answer:
        page = answer.read().decode()
    script = page.split('<script type="module"')[1].split('src="')[1].split('"')[0]
    with urlopen(f"{_UI.rstrip('/')}/{script.lstrip('./')}", timeout=30) as answer:
        size = len(answer.read())
    title = page.split("<title>")[1].split("</title>")[0]
    print(f"the UI's page is there: {title}, script of {size} bytes", flush=True)
    return str(title)


def _score_one(image: Image, site: Path, environment: Mapping[str, str]) -> float:
    """Push a study, and return the seconds until it is scored."""
    files = write_study(site / "pacs", "B0")
    began = time.monotonic()
    if push([files[0].parent], NODE_PORT, "B", "ANNULUS"):
        raise SystemExit("the node did not take the study")
    while time.monotonic() - began < _READY_WITHIN_S:
        code, said = image.run(("python", "-m", "dicom_node", "status"), environment)
        if code == 0 and "scored" in said:
            took = round(time.monotonic() - began, 1)
            print(f"a study was scored after {took} s", flush=True)
            return took
        time.sleep(1.0)
    shown = image.log("dispatcher").read_text(errors="replace")[-4000:]
    raise SystemExit(f"the study was not scored: {said}\n{shown}")


if __name__ == "__main__":
    sys.exit(main())
