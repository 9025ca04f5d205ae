#!/usr/bin/env python3
"""Builds the production image without a daemon, from the checkout as it is.

    image/build.py                                   # this machine's architecture, into target/image
    image/build.py --arch amd64 --arch arm64 --out DIR
    image/build.py --sandbox                         # with the simulated carriers, into target/image-sandbox

It makes an OCI image layout (`oci/`), the same as one tar that `ctr image import`, `docker load`, `podman load` and `skopeo` take, and for each
architecture the binary, a list of what is in it (CycloneDX) and a statement of what it was built from (in-toto, SLSA provenance 1).
The image is one static binary, without the sandbox unless asked for, the certificates of public authorities and two files that name user 65532. There is no
shell. The same commit gives the same digest with the same compilers: times are those of the commit, and paths of the machine are left out.

Needs cargo with rustup, a C compiler for the target (Debian: gcc, gcc-aarch64-linux-gnu), Python 3.9 with pip, and git.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "https://github.com/dialplane/dialplane"
# The certificates of Mozilla's list, by their packager, to the byte.
CERTIFI = "certifi==2026.10.19.post1 --hash=sha256:1324c476b4811eff41a8bc2122cd0bbd4d9c7234c725446d99ab1612b3a7fdd2"
# What each architecture is called by cargo and by the C compilers of Debian.
TARGETS = {
    "amd64": ("x86_64-unknown-linux-musl", "gcc" if platform.machine() == "x86_64" else "x86_64-linux-gnu-gcc"),
    "arm64": ("aarch64-unknown-linux-musl", "gcc" if platform.machine() == "aarch64" else "aarch64-linux-gnu-gcc"),
}
# The most bytes that the binary may have, without the sandbox and with it.
MOST = {False: 15 << 20, True: 20 << 20}
USER = "65532:65532"


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd=ROOT, **options).stdout


def commit():
    """Its id and time. A tree that was changed gives an image that nobody can build again, and says so."""
    changed = run("git", "status", "--porcelain", "--untracked-files=no").strip()
    if changed:
        print("warning: the checkout has changes that are not committed; the image is marked as such", file=sys.stderr)
    ident, seconds = run("git", "log", "-1", "--format=%H %ct").split()
    return ident + ("-dirty" if changed else ""), int(seconds)


def features(sandbox):
    """The flags that have cargo build the sandbox in or leave it out."""
    return [] if sandbox else ["--no-default-features"]


def binary(arch, into, sandbox):
    """The static binary."""
    target, compiler = TARGETS[arch]
    run("rustup", "target", "add", target, stderr=subprocess.DEVNULL)
    cargo_home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    flags = [f"--remap-path-prefix={ROOT}=/dialplane", f"--remap-path-prefix={cargo_home}=/cargo"]
    # Relocations take a tenth of the room, and functions that come out the same are kept once.
    flags += ["-Clink-arg=--pack-dyn-relocs=relr", "-Clink-arg=--icf=all"]
    variable = target.replace("-", "_")
    env = os.environ | {
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        f"CC_{variable}": compiler,
        f"CFLAGS_{variable}": f"-ffile-prefix-map={cargo_home}=/cargo",
        # The linker and the C library that come with the target: no others are needed.
        f"CARGO_TARGET_{variable.upper()}_LINKER": "rust-lld",
    }
    folder = into / "cargo"
    command = ["cargo", "build", "--locked", "--profile", "image", "--target", target, "--target-dir", str(folder)]
    subprocess.run(command + features(sandbox), check=True, cwd=ROOT, env=env)
    built = (folder / target / "image" / "dialplane").read_bytes()
    program = into / f"dialplane-linux-{arch}"
    program.write_bytes(built)
    program.chmod(0o755)
    if len(built) > MOST[sandbox]:
        sys.exit(f"the binary for {arch} has {len(built)} bytes, more than the {MOST[sandbox]} that it may have")
    return built


def certificates():
    """The certificates of public authorities, in PEM."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(CERTIFI)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        subprocess.run([*pip, "--only-binary=:all:", "-d", folder, "-r", str(wanted)], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read("certifi/cacert.pem")


def layer(files, time):
    """A tar of these files, each with its mode, and the folders that they are in."""
    folders = {str(parent) for path, _, _ in files for parent in Path(path).parents if str(parent) != "."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entries = [(path, None, 0o755) for path in folders] + list(files)
        for path, content, mode in sorted(entries, key=lambda entry: entry[0]):
            info = tarfile.TarInfo(path)
            info.mode, info.mtime = mode, time
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def written(time):
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def encoded(value):
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


class Layout:
    """An OCI image layout."""

    def __init__(self, folder):
        self.folder = folder
        # What an earlier build left does not belong to this image.
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "blobs" / "sha256").mkdir(parents=True)

    def blob(self, content, media_type, **more):
        name = digest(content)
        (self.folder / "blobs" / "sha256" / name.split(":")[1]).write_bytes(content)
        return {"mediaType": media_type, "digest": name, "size": len(content), **more}


def image(layout, arch, content, labels, time):
    """Adds the image of one architecture; its descriptor."""
    created = written(time)
    compressed = gzip.compress(content, mtime=0)
    config = {
        "created": created,
        "architecture": arch,
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": ["/usr/local/bin/dialplane"],
            "Cmd": ["run"],
            "Env": ["PATH=/usr/local/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
            "Labels": labels | {"org.opencontainers.image.created": created},
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
        "history": [{"created": created, "created_by": "image/build.py"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layout.blob(encoded(config), "application/vnd.oci.image.config.v1+json"),
        "layers": [layout.blob(compressed, "application/vnd.oci.image.layer.v1.tar+gzip")],
        "annotations": labels,
    }
    return manifest, layout.blob(encoded(manifest), manifest["mediaType"], platform={"architecture": arch, "os": "linux"})


def bill_of_materials(arch, version, time, sandbox):
    """Every crate in the binary, as CycloneDX."""
    target = TARGETS[arch][0]
    known = json.loads(run("cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target, *features(sandbox)))
    checksums = {}
    for entry in (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]:
        fields = dict(line.split(" = ", 1) for line in entry.strip().splitlines() if " = " in line)
        checksums[fields["name"].strip('"'), fields["version"].strip('"')] = fields.get("checksum", "").strip('"')
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    reached, waiting = set(), [known["resolve"]["root"]]
    while waiting:
        at = waiting.pop()
        if at not in reached:
            reached.add(at)
            is_built_in = lambda dependency: any(kind["kind"] is None for kind in dependency["dep_kinds"])
            waiting += [dependency["pkg"] for dependency in nodes[at]["deps"] if is_built_in(dependency)]
    components = []
    for package in sorted(known["packages"], key=lambda package: (package["name"], package["version"])):
        if package["id"] in reached and package["id"] != known["resolve"]["root"]:
            name, number = package["name"], package["version"]
            purl = f"pkg:cargo/{name}@{number}"
            component = {"type": "library", "bom-ref": purl, "name": name, "version": number, "purl": purl}
            if package.get("license"):
                component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
            if checksums.get((name, number)):
                component["hashes"] = [{"alg": "SHA-256", "content": checksums[name, number]}]
            components.append(component)
    subject = {"type": "application", "bom-ref": "dialplane", "name": "dialplane", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": written(time), "component": subject},
        "components": components,
    }


def provenance(arch, descriptor, ident, sandbox):
    """What the image was built from, as in-toto."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"dialplane-linux-{arch}", "digest": {"sha256": descriptor["digest"].split(":")[1]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{SOURCE}/blob/main/image/build.py",
                "externalParameters": {"arch": arch, "sandbox": sandbox},
                "internalParameters": {"rustc": run("rustc", "--version").strip(), "target": TARGETS[arch][0]},
                "resolvedDependencies": [
                    {"uri": f"git+{SOURCE}", "digest": {"gitCommit": ident}},
                    {"uri": "Cargo.lock", "digest": {"sha256": hashlib.sha256((ROOT / "Cargo.lock").read_bytes()).hexdigest()}},
                ],
            },
            "runDetails": {"builder": {"id": os.environ.get("DIALPLANE_BUILDER", "local")}},
        },
    }


def archive(layout, manifests, tag, time):
    """The layout as one tar, with the list that `docker load` reads beside."""
    named = [
        {
            "Config": "blobs/sha256/" + manifest["config"]["digest"].split(":")[1],
            # A tag names one image only, and the last would take it from the others.
            "RepoTags": [tag if len(manifests) == 1 else f"{tag}-{arch}"],
            "Layers": ["blobs/sha256/" + one["digest"].split(":")[1] for one in manifest["layers"]],
        }
        for arch, manifest in manifests.items()
    ]
    files = [("manifest.json", encoded(named), 0o644)]
    files += [(str(path.relative_to(layout)), path.read_bytes(), 0o644) for path in layout.rglob("*") if path.is_file()]
    return layer(files, time)


def main():
    here = "arm64" if platform.machine() == "aarch64" else "amd64"
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--arch", action="append", choices=sorted(TARGETS), help="can be repeated; this machine's when not given")
    parser.add_argument("--sandbox", action="store_true", help="with `dialplane sandbox`, for the chart's sandbox.enabled; its tag ends in -sandbox")
    parser.add_argument("--out", type=Path, help="target/image, or target/image-sandbox, when not given")
    given = parser.parse_args()
    sandbox, suffix = given.sandbox, "-sandbox" if given.sandbox else ""
    out = (given.out or ROOT / "target" / f"image{suffix}").resolve()
    out.mkdir(parents=True, exist_ok=True)

    ident, time = commit()
    packages = json.loads(run("cargo", "metadata", "--locked", "--no-deps", "--format-version=1"))["packages"]
    version = packages[0]["version"]
    labels = {
        "org.opencontainers.image.title": "dialplane",
        "org.opencontainers.image.description": packages[0]["description"],
        "org.opencontainers.image.licenses": packages[0]["license"],
        "org.opencontainers.image.revision": ident,
        "org.opencontainers.image.source": SOURCE,
        "org.opencontainers.image.version": version,
    }
    named = f"{version}{suffix}"
    tag = f"ghcr.io/dialplane/dialplane:{named}"
    layout = Layout(out / "oci")
    authorities = certificates()
    manifests, descriptors = {}, []
    for arch in sorted(set(given.arch or [here])):
        content = layer(
            [
                ("etc/group", b"nonroot:x:65532:\n", 0o644),
                ("etc/passwd", b"nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n", 0o644),
                ("etc/ssl/certs/ca-certificates.crt", authorities, 0o644),
                ("usr/local/bin/dialplane", binary(arch, out, sandbox), 0o755),
            ],
            time,
        )
        manifest, descriptor = image(layout, arch, content, labels, time)
        manifests[arch] = manifest
        descriptors.append(descriptor)
        (out / f"sbom-{arch}.cdx.json").write_bytes(encoded(bill_of_materials(arch, version, time, sandbox)))
        (out / f"provenance-{arch}.intoto.json").write_bytes(encoded(provenance(arch, descriptor, ident, sandbox)))
        print(f"linux/{arch} {descriptor['digest']}")
    # One name for all architectures: whoever pulls it gets its own.
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": descriptors, "annotations": labels}
    entry = layout.blob(encoded(index), index["mediaType"], annotations={"org.opencontainers.image.ref.name": named})
    (layout.folder / "index.json").write_bytes(encoded({"schemaVersion": 2, "mediaType": index["mediaType"], "manifests": [entry]}))
    print(f"index {entry['digest']}")
    (layout.folder / "oci-layout").write_bytes(encoded({"imageLayoutVersion": "1.0.0"}))
    tar = out / f"dialplane-{named}.tar"
    tar.write_bytes(archive(layout.folder, manifests, tag, time))
    print(tar)


if __name__ == "__main__":
    main()
