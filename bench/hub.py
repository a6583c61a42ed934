#!/usr/bin/env python3
"""Measures downloads and uploads of one large file on loopback, against the Python client and curl.

Usage: bench/hub.py [--size-mib N] [--rounds N] [--build FOLDER] [--work FOLDER]

  --size-mib N    of the file (default: 4096)
  --rounds N      each does everything so often, in turns; the medians count (default: 3)
  --build FOLDER  where hub_server and transformers-cpp lie in bin/ (default: build/release)
  --work FOLDER   for the files, five times their size (default: a temporary folder)

The server is the test Hub, which reads the file by a mapping. curl checks no hash and writes no cache; the others do. The
Python client is asked for its plain HTTP transfers, since the test Hub has no Xet; script/bootstrap --checks puts it
into .cache/python.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOWNLOAD = "from huggingface_hub import snapshot_download as s; s('org/name', cache_dir={cache!r})"
UPLOAD = ("from huggingface_hub import HfApi as A; a = A(); a.create_repo({repo!r}); "
          "a.upload_folder(folder_path={folder!r}, repo_id={repo!r})")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--work", type=pathlib.Path)
    return parser.parse_args()


def write_file(path, size_mib):
    path.parent.mkdir(parents=True)
    with open(path, "wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(1 << 20))


def timed(words, environment):
    begin = time.perf_counter()
    result = subprocess.run(words, env=environment, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"error: {words[0]} failed: {result.stderr[-500:]}")
    return time.perf_counter() - begin


def start_server(build, folder):
    server = subprocess.Popen(
        [build / "bin" / "hub_server", "--part-size", str(64 << 20), "--token", "hf_bench=somebody",
         f"org/name={folder}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()


def main():
    arguments = parse_arguments()
    work = pathlib.Path(tempfile.mkdtemp(prefix="hub-bench-", dir=arguments.work))
    folder = work / "folder"
    write_file(folder / "model.safetensors", arguments.size_mib)
    server, url = start_server(arguments.build, folder)
    clients = sorted((ROOT / ".cache" / "python").glob("huggingface_hub-*"))
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(work / "home"), "HF_TOKEN": "hf_bench",
                   "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                   "PYTHONPATH": os.pathsep.join(map(str, clients[-1:]))}
    program = arguments.build / "bin" / "transformers-cpp"
    cache = str(work / "cache")
    downloads = {
        "transformers-cpp": [program, "download", "org/name", "--cache-dir", cache],
        "huggingface_hub": [sys.executable, "-c", DOWNLOAD.format(cache=cache)],
        "curl": ["curl", "-sSfL", "-o", str(work / "curl.bin"), f"{url}/org/name/resolve/main/model.safetensors"],
    }
    times = {name: [] for name in downloads}
    for _ in range(arguments.rounds):
        for name, words in downloads.items():
            times[name].append(timed(words, environment))
            shutil.rmtree(cache, ignore_errors=True)
            (work / "curl.bin").unlink(missing_ok=True)
    uploads = {"transformers-cpp": [], "huggingface_hub": []}
    for turn in range(arguments.rounds):
        for name in uploads:
            # The storage keeps what it has by its hash: every turn begins with an empty one that has other files.
            server.stdin.close()
            server.wait()
            (work / "empty").mkdir(exist_ok=True)
            (work / "empty" / "config.json").write_text("{}")
            server, environment["HF_ENDPOINT"] = start_server(arguments.build, work / "empty")
            repo = f"somebody/turn{turn}"
            words = {"transformers-cpp": [program, "upload", folder, repo],
                     "huggingface_hub": [sys.executable, "-c", UPLOAD.format(repo=repo, folder=str(folder))]}[name]
            uploads[name].append(timed(words, environment))
    server.stdin.close()
    server.wait()
    shutil.rmtree(work)
    for title, table in (("download", times), ("upload", uploads)):
        ours = statistics.median(table["transformers-cpp"])
        for name, seconds in table.items():
            median = statistics.median(seconds)
            print(f"{title:8} {name:18} {median:8.2f} s  {arguments.size_mib / median:8.0f} MiB/s  "
                  f"{median / ours:5.2f} of ours")


if __name__ == "__main__":
    main()
