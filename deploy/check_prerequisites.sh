#!/bin/sh
# Says in one sentence what a machine lacks before the installation starts. Argument: the Python interpreter.
python=$1

refuse() {
    printf 'Annulus cannot be installed yet: %s\n' "$1" >&2
    exit 1
}

[ -n "$python" ] || refuse "no python3 was found, expected Python 3.11 or 3.12 (Debian: apt-get install python3 python3-venv python3-dev)."
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || refuse "$python does not run."
case "$version" in
    3.11 | 3.12) ;;
    *) refuse "$python is Python $version, expected 3.11 or 3.12; name another one with make PYTHON=/path/to/python3.11." ;;
esac
"$python" -c 'import venv, ensurepip' 2>/dev/null \
    || refuse "$python has no venv module (Debian: apt-get install python3-venv)."
command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 \
    || refuse "no C compiler was found, and PyRadiomics is compiled on installation (Debian: apt-get install build-essential)."
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' \
    || refuse "the C headers of $python are missing (Debian: apt-get install python3-dev)."
