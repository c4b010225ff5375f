#!/bin/sh
# Builds the container image with docker, podman or buildah, whichever of them works here; BUILDER names one.
# PROXY_CERTIFICATE names a file in PEM form, for a network whose proxy signs with a certificate of its own.
set -eu
cd "$(dirname "$0")/.."
tag=${1:?"usage: $0 TAG"}

works() {
    case $1 in
        buildah) command -v buildah >/dev/null ;;
        *) "$1" info >/dev/null 2>&1 ;;
    esac
}

builder=${BUILDER:-}
for one in docker podman buildah; do
    [ -n "$builder" ] || ! works "$one" || builder=$one
done
if [ -z "$builder" ]; then
    echo "no builder works here: install docker, podman or buildah (Debian: apt-get install buildah)" >&2
    exit 1
fi
set -- --file deploy/Dockerfile --tag "$tag"
if [ -n "${PROXY_CERTIFICATE:-}" ]; then
    set -- "$@" --build-arg "PROXY_CERTIFICATE=$(cat "$PROXY_CERTIFICATE")"
fi
echo "building $tag with $builder"
case $builder in
    docker) exec docker build "$@" . ;;
    podman) exec podman build --ignorefile deploy/Dockerfile.dockerignore "$@" . ;;
    buildah) exec buildah build --isolation chroot --ignorefile deploy/Dockerfile.dockerignore "$@" . ;;
    *) echo "BUILDER is $builder: expected docker, podman or buildah" >&2; exit 1 ;;
esac
