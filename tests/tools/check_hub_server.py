#!/usr/bin/env python3
"""Runs the Python client against the test Hub, and both clients on one cache.

Usage: check_hub_server.py HUB_SERVER TRANSFORMERS_CPP

HUB_SERVER is the test Hub as a program, TRANSFORMERS_CPP the command line. Needs huggingface_hub; the versions are
printed. Exits with 1 and names the first thing that is not as it should be.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

if len(sys.argv) != 3:
    sys.exit(__doc__)
server_program, program = (str(pathlib.Path(word).resolve()) for word in sys.argv[1:])
root = pathlib.Path(tempfile.mkdtemp(prefix="hub-check-"))


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


weights = hashlib.sha512(b"seed").digest() * 50_000
for name in ("public", "private", "gated"):
    write(root / name / "config.json", b'{"model_type": "bert"}')
    write(root / name / "model.safetensors", weights)
    write(root / name / "sub folder" / "v\u00f6cab.txt", b"a\nb\n")
    write(root / name / "empty.txt", b"")

server = subprocess.Popen(
    [server_program, "--token", "hf_good=somebody", f"org/public={root}/public", "--private",
     f"org/private={root}/private", "--gated", f"org/gated={root}/gated"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
endpoint = server.stdout.readline().strip()
for variable in list(os.environ):
    if variable.startswith(("HF_", "HUGGING", "TRANSFORMERS_")):
        del os.environ[variable]
os.environ.update(HF_ENDPOINT=endpoint, HF_HOME=str(root / "home"), HF_HUB_DISABLE_TELEMETRY="1",
                  HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_UPDATE_CHECK="1")

import huggingface_hub  # noqa: E402  (reads the environment)
from huggingface_hub import HfApi, _CACHED_NO_EXIST, hf_hub_download, scan_cache_dir, snapshot_download  # noqa: E402
from huggingface_hub import try_to_load_from_cache  # noqa: E402
from huggingface_hub import errors  # noqa: E402

checks = 0


def check(claim, what):
    global checks
    checks += 1
    if not claim:
        server.kill()
        sys.exit(f"not as it should be: {what} (in {root})")


def raises(kind, work):
    try:
        work()
    except kind:
        return True
    except Exception as error:  # noqa: BLE001
        print("another error:", repr(error))
    return False


def run(*words, code=0, **environment):
    result = subprocess.run([program, *words], capture_output=True, text=True, env={**os.environ, **environment})
    check(result.returncode == code, f"{' '.join(words)}: exit code {result.returncode}: {result.stderr}")
    return result.stdout.strip()


def contents(folder):
    folder = pathlib.Path(folder)
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


expected = contents(root / "public")
caches = {name: root / name for name in ("python-first", "ours-first")}

# The Python client against the server.
api = HfApi()
info = api.repo_info("org/public", files_metadata=True)
check({s.rfilename: s.size for s in info.siblings} == {n: len(b) for n, b in expected.items()}, "repo_info")
check(sorted(f.path for f in api.list_repo_tree("org/public", recursive=True) if hasattr(f, "size")) ==
      sorted(expected), "list_repo_tree")
check(api.file_exists("org/public", "config.json") and not api.file_exists("org/public", "none"), "file_exists")
check(raises(errors.RepositoryNotFoundError, lambda: api.repo_info("org/nobody")), "a missing repository")
check(raises(errors.RevisionNotFoundError, lambda: hf_hub_download("org/public", "config.json", revision="v9")),
      "a missing revision")
check(raises(errors.EntryNotFoundError, lambda: hf_hub_download("org/public", "none.json")), "a missing file")
check(raises(errors.GatedRepoError, lambda: hf_hub_download("org/gated", "config.json")), "a gated repository")
check(raises(errors.RepositoryNotFoundError, lambda: hf_hub_download("org/private", "config.json")), "a private one")
check(hf_hub_download("org/private", "model.safetensors", token="hf_good"), "a token")
check(api.whoami(token="hf_good")["name"] == "somebody", "whoami")

# What Python wrote is ours.
cache = caches["python-first"]
folder = snapshot_download("org/public", cache_dir=cache)
check(contents(folder) == expected, "Python's snapshot")
before = {p: p.stat().st_mtime_ns for p in (cache / "models--org--public" / "blobs").iterdir()}
check(run("download", "org/public", "--cache-dir", str(cache)) == folder, "our download in Python's cache")
check(run("download", "org/public", "--cache-dir", str(cache), HF_HUB_OFFLINE="1") == folder, "the same offline")
check(before == {p: p.stat().st_mtime_ns for p in (cache / "models--org--public" / "blobs").iterdir()},
      "nothing was fetched again")
hf = try_to_load_from_cache("org/public", "none.json", cache_dir=cache)
check(hf is None, "nothing is known of a file that nobody asked for")
run("download", "org/public", "none.json", "--cache-dir", str(cache), code=1)
check(try_to_load_from_cache("org/public", "none.json", cache_dir=cache) is _CACHED_NO_EXIST, "our .no_exist")

# What we wrote is Python's.
cache = caches["ours-first"]
folder = run("download", "org/public", "config.json", "model.safetensors", "--cache-dir", str(cache))
check(try_to_load_from_cache("org/public", "model.safetensors", cache_dir=cache) == folder + "/model.safetensors",
      "our file in Python's eyes")
check(hf_hub_download("org/public", "config.json", cache_dir=cache, local_files_only=True) == folder + "/config.json",
      "our file offline")
check({f.path for f in huggingface_hub.get_cached_repo_tree("org/public", cache_dir=cache)} == set(expected)
      if hasattr(huggingface_hub, "get_cached_repo_tree") else True, "our listing")
blob = pathlib.Path(folder, "model.safetensors").resolve()
stamp = blob.stat().st_mtime_ns
check(snapshot_download("org/public", cache_dir=cache) == folder, "Python completes our snapshot")
check(contents(folder) == expected, "both together")
check(blob.stat().st_mtime_ns == stamp, "Python fetched our blob again")
check(run("download", "org/public", "--cache-dir", str(cache), HF_HUB_OFFLINE="1") == folder, "and we take it")

# Both scan alike, and Python cleans up after us.
scans = {name: scan_cache_dir(path) for name, path in caches.items()}
for name, scan in scans.items():
    check(not scan.warnings and len(scan.repos) == 1 and not getattr(scan, "incomplete_files", ()), f"scan of {name}")
check(len({scan.size_on_disk for scan in scans.values()}) == 1, "both caches have the same size")
commit = pathlib.Path(folder).name
scans["ours-first"].delete_revisions(commit).execute()
check(not blob.exists(), "Python deletes what we wrote")
check(run("download", "org/public", "--cache-dir", str(cache)) == folder and contents(folder) == expected,
      "and we fetch it again")

# A branch that Python knows under a new commit, without links.
cache = root / "copies"
os.environ["HF_HUB_DISABLE_SYMLINKS"] = "1"
folder = run("download", "org/public", "--cache-dir", str(cache))
check(not any(p.is_symlink() for p in pathlib.Path(folder).rglob("*")), "copies instead of links")
check(hf_hub_download("org/public", "config.json", cache_dir=cache, local_files_only=True), "Python takes copies")
del os.environ["HF_HUB_DISABLE_SYMLINKS"]

# The token file.
run("whoami", code=1)
check("somebody" in run("login", "--token", "hf_good"), "our login")
check(huggingface_hub.get_token() == "hf_good", "our token in Python's eyes")
check(oct((root / "home" / "token").stat().st_mode & 0o777) == "0o600", "the token file is private")
check(json.loads(run("whoami", "--json"))["name"] == "somebody", "our whoami")
run("logout")
check(huggingface_hub.get_token() is None, "our logout")
huggingface_hub.login("hf_good", add_to_git_credential=False)
check(run("whoami") == "somebody", "Python's login")
check(contents(run("download", "org/gated")) == expected, "Python's token opens gated repositories")
server.stdin.close()
server.wait()
print(f"{checks} checks with huggingface_hub {huggingface_hub.__version__} on Python {sys.version.split()[0]}")
