#!/bin/sh
# Make .venv with $PYTHON, or with the first Python of at least 3.11 on the PATH.
set -eu

usable() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.13 python3.12 python3.11 python3; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ] || ! usable "$python"; then
    echo "no Python 3.11 or newer found${python:+ ($python is not)}: install one, or say where it is: make PYTHON=/path/to/python3" >&2
    exit 1
fi

# Debian's python3 comes without ensurepip, which is what makes a venv useful
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing python$version-venv with apt-get: $python cannot make a virtual environment without it" >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "python$version-venv" >/dev/null
    else
        echo "$python cannot make a virtual environment: install python$version-venv (Debian: apt-get install python$version-venv)" >&2
        exit 1
    fi
fi

"$python" -m venv --clear .venv
