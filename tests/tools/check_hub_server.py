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


PART = 1 << 20
weights = hashlib.sha512(b"seed").digest() * 50_000
for name in ("public", "private", "gated"):
    write(root / name / "config.json", b'{"model_type": "bert"}')
    write(root / name / "model.safetensors", weights)
    write(root / name / "sub folder" / "v\u00f6cab.txt", b"a\nb\n")
    write(root / name / "empty.txt", b"")

server = subprocess.Popen(
    [server_program, "--part-size", str(PART), "--token", "hf_good=somebody", f"org/public={root}/public", "--private",
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

# What Python uploads, we read.
large = hashlib.sha512(b"large").digest() * (3 * PART // 64 + 1)  # three parts and a bit
write(root / "up" / "config.json", b'{"model_type": "bert"}')
write(root / "up" / "model.safetensors", large)
write(root / "up" / "small.safetensors", large[:1000])
write(root / "up" / "sub folder" / "v\u00f6cab.txt", b"a\nb\n")
write(root / "up" / "README.md", b"---\nlibrary_name: transformers\n---\n# Card\n")
url = api.create_repo("somebody/python", private=True)
check(url.repo_id == "somebody/python" and api.repo_info("somebody/python").private, "create_repo")
check(raises(errors.HfHubHTTPError, lambda: api.create_repo("somebody/python")), "a repository that exists")
check(api.create_repo("somebody/python", exist_ok=True).repo_id == "somebody/python", "exist_ok")
info = api.upload_folder(folder_path=root / "up", repo_id="somebody/python", commit_message="From Python")
check(info.oid == api.repo_info("somebody/python").sha, "upload_folder")
uploaded = contents(root / "up")


def ours(repo, revision="main"):
    files = contents(run("download", repo, "--revision", revision, "--cache-dir", str(root / "ours-reads")))
    return {name: data for name, data in files.items() if name != ".gitattributes"}


def theirs(repo, revision="main"):
    files = contents(snapshot_download(repo, revision=revision, cache_dir=root / "theirs-reads"))
    return {name: data for name, data in files.items() if name != ".gitattributes"}


check(ours("somebody/python") == uploaded == theirs("somebody/python"), "what Python uploaded")
same = api.upload_folder(folder_path=root / "up", repo_id="somebody/python")
check(same.oid == info.oid, "Python makes no empty commit")
again = run("upload", str(root / "up"), "somebody/python")
check(again.endswith(f"/somebody/python/commit/{info.oid}"), "neither do we: every hash agrees")
api.create_branch("somebody/python", branch="dev/one")
check(raises(errors.HfHubHTTPError, lambda: api.create_branch("somebody/python", branch="dev/one")), "a branch twice")
api.upload_file(path_or_fileobj=b"1", path_in_repo="one.txt", repo_id="somebody/python", revision="dev/one")
api.delete_file("config.json", "somebody/python", revision="dev/one")
changed = {**uploaded, "one.txt": b"1"}
del changed["config.json"]
check(ours("somebody/python", "dev/one") == changed == theirs("somebody/python", "dev/one"), "a branch of Python's")
pull = api.upload_file(path_or_fileobj=b"2", path_in_repo="two.txt", repo_id="somebody/python", create_pr=True)
check(pull.pr_url.endswith("/discussions/1") and pull.pr_revision == "refs/pr/1", "create_pr")
check(ours("somebody/python", "refs/pr/1")["two.txt"] == b"2", "a pull request of Python's")
api.delete_branch("somebody/python", branch="dev/one")
check(raises(errors.RevisionNotFoundError, lambda: api.repo_info("somebody/python", revision="dev/one")),
      "delete_branch")

# What we upload, Python reads.
url = run("upload", str(root / "up"), "cpp", "--private", "--commit-message", "From C++")
head = api.repo_info("somebody/cpp")
check(url == f"{endpoint}/somebody/cpp/commit/{head.sha}" and head.private, "our upload")
check(theirs("somebody/cpp") == uploaded == ours("somebody/cpp"), "what we uploaded")
same = api.upload_folder(folder_path=root / "up", repo_id="somebody/cpp")
check(same.oid == head.sha, "Python finds every file there")
answer = json.loads(run("upload", str(root / "up" / "config.json"), "somebody/cpp", "--path-in-repo", "in", "--json",
                        "--revision", "dev/two"))
check(theirs("somebody/cpp", "dev/two") == {**uploaded, "in/config.json": uploaded["config.json"]}, "a branch of ours")
check(answer["commit"] == api.repo_info("somebody/cpp", revision="dev/two").sha, "our JSON")
url = run("upload", str(root / "public"), "somebody/cpp", "--create-pr")
check(url == f"{endpoint}/somebody/cpp/discussions/1", "our pull request")
check(theirs("somebody/cpp", "refs/pr/1")["model.safetensors"] == weights, "what it holds")
scan = scan_cache_dir(root / "theirs-reads")
check(not scan.warnings and len(scan.repos) == 2, "scan after uploads")
check(not list((root / "home" / "transformers.cpp" / "uploads").glob("*")), "no note of an upload is left")
api.delete_repo("somebody/cpp")
run("download", "somebody/cpp", "--cache-dir", str(root / "none"), code=1)
server.stdin.close()
server.wait()
print(f"{checks} checks with huggingface_hub {huggingface_hub.__version__} on Python {sys.version.split()[0]}")
