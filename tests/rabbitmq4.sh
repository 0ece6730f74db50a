#!/usr/bin/env bash
# The suites that need RabbitMQ, against RabbitMQ 4: Debian trixie's, with its own Erlang, in a folder of its own.
# Further arguments go to pytest: tests/rabbitmq4.sh -n 2 -k order
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suites=(tests/contract/test_transport.py tests/integration tests/faults)
root=$(realpath -m "${INTERAPP_RABBITMQ4_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/interapp/trixie}")
python=$PWD/.venv/bin/python

fail() {
    echo "tests/rabbitmq4.sh: $*" >&2
    exit 1
}

# Debian's package archive, as this machine's own apt reaches it
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' 'Created-By: Packages' |
        sed -n 1p
}

make_root() {
    local archive
    if ! command -v debootstrap >/dev/null; then
        echo "installing debootstrap with apt-get: RabbitMQ 4 comes from Debian trixie" >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring >/dev/null
    fi
    archive=$(mirror)
    if [ -z "$archive" ]; then
        apt-get update -qq # apt knows the origin of an archive only from its lists
        archive=$(mirror)
    fi
    [ -n "$archive" ] || fail "this machine's apt has no source of Debian's own archive, where trixie would come from"
    echo "making $root with RabbitMQ 4 from Debian trixie: once, about two minutes and 300 MB" >&2
    # never reused half made; its mounts are in a namespace of their own, which ends with debootstrap however that ends
    rm -rf --one-file-system "$root.partial"
    unshare --mount debootstrap --force-check-gpg --variant=minbase --include=rabbitmq-server \
        trixie "$root.partial" "$archive" >"$root.log" 2>&1 ||
        fail "debootstrap failed, the end of $root.log: $(tail -n 5 "$root.log")"
    rm -f "$root.partial"/var/cache/apt/archives/*.deb
    mv "$root.partial" "$root"
}

[ "$(id -u)" -eq 0 ] || fail "needs root, for debootstrap and chroot"
[ -x "$python" ] || fail "no $python: run make install-dev first"

mkdir -p "$(dirname "$root")"
(
    flock 9 # two runs at once make it once
    [ -e "$root" ] || make_root
) 9>"$root.lock"
[ -x "$root/usr/lib/rabbitmq/bin/rabbitmq-server" ] ||
    fail "$root is there, but has no RabbitMQ: delete it, or name another folder by INTERAPP_RABBITMQ4_ROOT"

export INTERAPP_TEST_RABBITMQ_ROOT=$root
export CI=true # a server that the tests cannot have is a failure here, not a skip

# In that folder RabbitMQ finds the tests' folders where they are. The mounts are seen from here on only, and end with
# the last process that sees them: nothing has to be unmounted, whatever is killed.
exec unshare --mount bash -euo pipefail -c '
    python=$1
    shift
    for folder in /proc /dev "$(realpath "${TMPDIR:-/tmp}")"; do
        mkdir -p "$INTERAPP_TEST_RABBITMQ_ROOT$folder"
        mount --rbind "$folder" "$INTERAPP_TEST_RABBITMQ_ROOT$folder"
    done
    (cd tests && "$python" -m servers.version 4)
    exec "$python" -m pytest "$@"
' rabbitmq4 "$python" --dist loadgroup "${suites[@]}" "$@"
