"""The manifests: valid by their schemas, and every command, setting and secret in them is one that
there is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prefect.settings.legacy import _get_settings_fields
from prefect.settings.models.root import Settings as PrefectSettings

from deploy.local.offline import OFFLINE
from dicom_node.settings import read_secrets
from flows.settings import Settings
from tests.support import ROOT
from tests.unit.deploy.test_documentation import PARSERS

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "systemd" / "annulus.service").read_text(encoding="utf-8")
OUR_OWN = {"ANNULUS_SETTINGS", "ANNULUS_PSEUDONYM_KEY"}
OTHERS = {
    "PATH",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "HOME",
    "XDG_CACHE_HOME",
    "MPLCONFIGDIR",
    "NUMBA_CACHE_DIR",
    "TF_CPP_MIN_LOG_LEVEL",
    "DO_NOT_TRACK",
    "GX_ANALYTICS_ENABLED",
    "POSTGRES_USER",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "PGDATA",
}
"""Variables of Python, its libraries and PostgreSQL."""


def _documents(name: str = "*.yaml") -> list[dict[str, Any]]:
    files = [file for file in sorted(KUBERNETES.glob(name)) if file.name != "kustomization.yaml"]
    return [one for file in files for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def _pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in _documents():
        if template := one.get("spec", {}).get("template"):
            yield one["metadata"]["name"], template["spec"]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the compose file in a folder of its own, with secrets as the script makes them."""
    folder = tmp_path_factory.mktemp("site") / "deploy"
    folder.mkdir()
    shutil.copy(DEPLOY / "compose.yaml", folder)
    made = ["sh", str(DEPLOY / "compose_secrets.sh"), "deploy/secrets"]
    subprocess.run(made, cwd=folder.parent, check=True, capture_output=True)
    first = (folder / "secrets" / "node.env").read_text(encoding="utf-8")
    assert (
        b"nothing was changed"
        in subprocess.run(made, cwd=folder.parent, check=True, capture_output=True).stdout
    )
    assert (folder / "secrets" / "node.env").read_text(encoding="utf-8") == first
    return folder / "compose.yaml"


def _services(compose: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(compose.read_text(encoding="utf-8"))[
        "services"
    ]
    return found


def _secrets(compose: Path) -> dict[str, str]:
    """Return the variables in all files of secrets."""
    files = (compose.parent / "secrets").glob("*.env")
    return {name: value for file in files for name, value in read_secrets(file).items()}


def _set_by_the_image() -> dict[str, str]:
    block = DOCKERFILE.split("\nENV ")[1].split("\nUSER")[0]
    return dict(re.findall(r"^ *([A-Z0-9_]+)=(\S+)", block, re.MULTILINE))


def _variables(compose: Path) -> set[str]:
    names = {*_set_by_the_image(), *re.findall(r"\b([A-Z][A-Z0-9_]+)=", UNIT)}
    for service in _services(compose).values():
        names |= set(service.get("environment", {}))
    names |= set(_secrets(compose))
    for document in _documents("secret*.yaml"):
        names |= set(document["stringData"])
    for _, pod in _pods():
        names |= {
            one["name"] for container in pod["containers"] for one in container.get("env", [])
        }
    return names


def _commands(compose: Path) -> list[list[str]]:
    """Return every command of ours that a manifest runs, as its words."""
    found = [service["command"] for service in _services(compose).values() if "command" in service]
    found += [
        container["command"]
        for _, pod in _pods()
        for container in pod["containers"]
        if "command" in container
    ]
    found.append(re.findall(r"^ExecStart=(.*)", UNIT, re.MULTILINE)[0].split())
    found.append(re.findall(r'"([^"]+)"', DOCKERFILE.rsplit("CMD", 1)[1]))
    plain = []
    for command in found:
        plain += (
            [part.split() for part in command[2].split(" && ")] if command[0] == "sh" else [command]
        )
    return plain


def test_kubernetes_accepts_the_manifests() -> None:
    documents = _documents()
    assert len(documents) >= 15
    for document in documents:
        kubernetes_validate.validate(document, "1.30", strict=True)


def test_the_kustomization_takes_every_manifest_but_the_template_of_secrets() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))[
        "resources"
    ]
    there = {file.name for file in KUBERNETES.glob("*.yaml")} - {
        "kustomization.yaml",
        "secret.example.yaml",
    }
    assert set(listed) == there


def test_pods_have_what_they_refer_to_and_no_more_rights_than_they_need() -> None:
    secrets = {one["metadata"]["name"] for one in _documents("secret*.yaml")}
    claims = {
        one["metadata"]["name"] for one in _documents() if one["kind"] == "PersistentVolumeClaim"
    }
    for name, pod in _pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | {"data"}
        for volume in pod.get("volumes", []):
            assert (
                volume.get("persistentVolumeClaim", {"claimName": "annulus-data"})["claimName"]
                in claims
            )
        for container in pod["containers"]:
            assert {one["secretRef"]["name"] for one in container.get("envFrom", [])} <= secrets
            assert {one["name"] for one in container["volumeMounts"]} <= volumes
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["limits"]["memory"]


def test_the_settings_of_the_cluster_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANNULUS_")]:
        monkeypatch.delenv(name)
    settings = Settings.load(KUBERNETES / "annulus.toml")
    ports = {
        port["containerPort"]
        for name, pod in _pods()
        if name == "node"
        for port in pod["containers"][0]["ports"]
    }
    assert ports == {settings.node.port, settings.node.operations_port}
    assert settings.node.folder == Path(_set_by_the_image()["ANNULUS_NODE__FOLDER"])


def test_every_variable_is_one_that_somebody_reads(compose: Path) -> None:
    names = _variables(compose) - OTHERS - OUR_OWN
    of_prefect = set(_get_settings_fields(PrefectSettings))
    assert {name for name in names if not name.startswith("ANNULUS_")} <= of_prefect
    for name in (name for name in names if name.startswith("ANNULUS_")):
        table, _, key = name.removeprefix("ANNULUS_").lower().partition("__")
        model = Settings.model_fields[table].annotation
        assert model is not None
        assert key in model.model_fields, name


def test_every_command_is_one_that_there_is(compose: Path) -> None:
    for words in _commands(compose):
        if words[:1] == ["prefect"]:
            continue
        assert words[1] == "-m", words
        if words[2] in PARSERS:
            PARSERS[words[2]].parse_args(words[3:])
        else:
            assert words[2] in {"prefect", "http.server"}, words


def test_nobody_is_told_anything(compose: Path) -> None:
    assert OFFLINE.items() <= _set_by_the_image().items()
    for name, service in _services(compose).items():
        assert not OFFLINE.keys() & set(service.get("environment", {})), name
    assert not re.search(r"index-url|--index|https?://", DOCKERFILE)


def test_the_image_holds_what_the_checkout_needs() -> None:
    copied = set(re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE, re.MULTILINE))
    packages = {"dicom_node", "feature_store", "models", "validation_reports", "flows", "deploy"}
    assert copied >= packages | {"pyproject.toml"}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert packages | {"pyproject.toml", "requirements.lock"} <= {
        line[1:] for line in ignored if line.startswith("!")
    }
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)


def _locked(name: str) -> set[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return set(re.findall(r"^[a-z0-9][a-z0-9-]*==[^ \n]+", text, re.MULTILINE))


def test_the_image_has_the_locked_versions_of_what_runs_without_the_tests() -> None:
    locked, runs = _locked("requirements.lock"), _locked("requirements-runtime.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {
        group: {re.split(r"[^A-Za-z0-9-]", one)[0].lower() for one in lines}
        for group, lines in (
            ("product", project["project"]["dependencies"]),
            ("tests", project["dependency-groups"]["dev"]),
        )
    }
    assert runs < locked
    names = {one.partition("==")[0] for one in runs}
    assert named["product"] <= names
    assert not named["tests"] & names


def test_compose_refers_to_files_and_services_that_there_are(compose: Path) -> None:
    services = _services(compose)
    for name, service in services.items():
        files = service.get("env_file", [])
        for file in [files] if isinstance(files, str) else files:
            assert (compose.parent / file).is_file(), f"{name}: {file}"
        assert set(service.get("depends_on", {})) <= set(services), name
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed], (
                f"{name}: {needed}"
            )


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="docker-compose is not installed"
)
def test_docker_compose_accepts_the_file(compose: Path) -> None:
    done = subprocess.run(
        ["docker-compose", "-f", str(compose), "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "annulus.service"
    unit.write_text(UNIT.replace("/opt/annulus/.venv/bin/python", sys.executable), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    about_us = [line for line in done.stderr.splitlines() if "annulus" in line]
    assert (done.returncode, about_us) == (0, []), done.stderr
