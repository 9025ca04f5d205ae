#!/usr/bin/env python3
"""Packs the binaries of a release: an archive for each system, their checksums, and the manifest by which krew installs them.

    release/pack.py --out dist linux-amd64=target/image/dialplane-linux-amd64 windows-amd64=dialplane.exe ...

The archives are the same whenever they are made of the same files.
"""

import argparse
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "https://github.com/dialplane/dialplane"
SYSTEMS = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64"]
# The earliest time that both kinds of archive know.
TIME = 315532800
DESCRIPTION = """\
Checks carrier accounts, searches numbers for sale, shows what manifests would
change and cost, takes over numbers, and publishes and rolls back agents of
Dialplane, the operator for phone numbers.
"""


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content, mode in files:
            info = tarfile.TarInfo(name)
            info.mode, info.mtime, info.size = mode, TIME, len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in files:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def krew(version, archives):
    """The plugin's manifest. YAML is a superset of JSON, and krew reads both."""
    platforms = [
        {
            "selector": {"matchLabels": {"os": system.split("-")[0], "arch": system.split("-")[1]}},
            "uri": f"{SOURCE}/releases/download/v{version}/{name}",
            "sha256": digest,
            "bin": "dialplane.exe" if system.startswith("windows") else "dialplane",
        }
        for system, (name, digest) in archives.items()
    ]
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "dialplane"},
        "spec": {
            "version": f"v{version}",
            "homepage": SOURCE,
            "shortDescription": "Manage phone numbers at carriers",
            "description": DESCRIPTION,
            "platforms": platforms,
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("binaries", nargs="+", metavar="SYSTEM=FILE", help="one of " + ", ".join(SYSTEMS))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    given.out.mkdir(parents=True, exist_ok=True)
    archives = {}
    for binary in given.binaries:
        system, _, file = binary.partition("=")
        if system not in SYSTEMS:
            parser.error(f"{system} is none of " + ", ".join(SYSTEMS))
        windows = system.startswith("windows")
        files = [("LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644)]
        files.append(("dialplane.exe" if windows else "dialplane", Path(file).read_bytes(), 0o755))
        name = f"dialplane-{version}-{system}." + ("zip" if windows else "tar.gz")
        content = (zip_of if windows else tar_of)(files)
        (given.out / name).write_bytes(content)
        archives[system] = name, hashlib.sha256(content).hexdigest()
    sums = sorted((name, digest) for name, digest in archives.values())
    (given.out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums))
    (given.out / "krew.yaml").write_text(json.dumps(krew(version, archives), indent=2) + "\n")


if __name__ == "__main__":
    main()
