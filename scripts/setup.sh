#!/bin/sh
# Brings .venv up to date: `scripts/setup.sh [EXTRAS]`. Ends at once, in silence, where it already is.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
extras=${1:-}
stamp=.venv/fathom-stamp
log=.venv/setup.log

say() { printf 'set-up: %s\n' "$*"; }
stop() { say "$*" >&2; exit 1; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_pip() { .venv/bin/python -c 'import pip' 2>/dev/null; } # an interrupted set-up may not have got so far

find_python() {
  candidates=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
  for name in $candidates; do
    if new_enough "$name"; then echo "$name"; return; fi
  done
  stop "no Python 3.11 or newer found (tried: $candidates). Install one, or name it: make PYTHON=/path/to/python3"
}

# The values of one of pip's settings, from the environment or from its files, whose places only pip knows.
pip_setting() { printf '%s\n' "$pip_config" | sed -nE "s/^(:env:|global|install)\.$1='(.*)'\$/\2/p" | sed 's/\\n/ /g'; }

# uv reads none of pip's configuration, so where packages come from is passed on (and below, the certificate).
places_for_uv() {
  for place in $(pip_setting find-links); do printf '%s ' --find-links "$place"; done
  for place in $(pip_setting index-url | head -n 1); do printf '%s ' --index-url "$place"; done
  for place in $(pip_setting extra-index-url); do printf '%s ' --extra-index-url "$place"; done
  # pip takes the best version of all indexes; uv, unless told, looks only at the first that knows the name.
  if [ -n "$(pip_setting extra-index-url)" ]; then echo '--index-strategy unsafe-best-match'; fi
}

make_venv() {
  if [ -e .venv ]; then say "replacing .venv: it was moved, it is incomplete, or its Python is older than 3.11"; fi
  rm -rf .venv
  # shellcheck disable=SC2046  # one option or folder per word
  if command -v uv >/dev/null; then uv venv --quiet --seed --python "$python" $(places_for_uv) .venv
  elif ! "$python" -m venv .venv; then
    rm -rf .venv
    stop "$python cannot make a virtual environment; Debian and Ubuntu keep that in the package python3-venv"
  fi
}

how_far() {
  if line=$(grep '^Installing collected packages' "$log"); then # pip says no more until all of them are there
    all=$(printf '%s' "$line" | tr -cd , | wc -c)
    ready=$(find .venv/lib -maxdepth 4 -name '*.dist-info' -newer "$log.begun" | wc -l)
    line="unpacking and compiling: $((ready)) of $((all + 1)) packages"
  elif line=$(grep '^Collecting' "$log"); then
    line="collecting package $(($(printf '%s\n' "$line" | wc -l))): ${line##*Collecting }"
    line=${line%% (from *}
  else
    line=$(tail -n 1 "$log")
  fi
  printf '%3d s  %.80s' "$seconds" "$line"
}

# Runs a command with its output in the log and says how far it is: on a terminal in place, elsewhere now and then.
with_progress() {
  : >"$log.begun"
  "$@" >"$log" 2>&1 &
  pid=$!
  trap 'kill $pid; stop "interrupted; the next call goes on"' INT TERM
  seconds=0
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ -t 1 ]; then printf '\r\033[K  %s' "$(how_far)"
    elif [ $((seconds % 15)) = 0 ]; then printf '  %s\n' "$(how_far)"; fi
  done
  trap - INT TERM
  if [ -t 1 ]; then printf '\r\033[K'; fi
  wait "$pid" || { tail -n 20 "$log" >&2; stop "failed; the whole output is in $log"; }
  say "done in $seconds s"
}

# Programs in .venv name their interpreter by its full path, so a repository that was moved needs a new .venv.
key=$(cat pyproject.toml constraints.txt | cksum)
had_key='' had_place='' had_extras=''
if [ -x .venv/bin/python ] && [ -f "$stamp" ]; then
  { read -r had_key && read -r had_place && read -r had_extras; } <"$stamp" || true
fi
if [ "$had_key" = "$key" ] && [ "$had_place" = "$PWD" ] && { [ -z "$extras" ] || [ "$extras" = "$had_extras" ]; }; then
  exit 0
fi
extras=${extras:-$had_extras}

case $(uname -s) in MINGW* | MSYS* | CYGWIN*) stop "on Windows, Fathom runs inside WSL: it needs fork" ;; esac
python=$(find_python)
pip_config=$("$python" -m pip config list 2>/dev/null || pip config list 2>/dev/null || true)
cert=${SSL_CERT_FILE:-$(pip_setting cert | head -n 1)}
if [ -n "$cert" ]; then export SSL_CERT_FILE="$cert"; fi
if [ "$(uname -sm)" = 'Linux x86_64' ] && ! command -v nvidia-smi >/dev/null && [ -z "$(places_for_uv)" ]; then
  say "torch as it comes by default brings several GB of CUDA that this machine cannot use; to avoid that, stop here" \
    "and set PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL to where its CPU build is"
fi

if [ "${had_place:-$PWD}" != "$PWD" ] || ! new_enough .venv/bin/python || ! has_pip; then make_venv; fi
if command -v uv >/dev/null; then
  installer=uv
  # shellcheck disable=SC2046
  set -- uv pip install --python .venv/bin/python --compile-bytecode $(places_for_uv)
else
  installer=pip
  set -- .venv/bin/python -m pip install --disable-pip-version-check --compile
fi
say "$(.venv/bin/python --version) in .venv; $installer installs what ${extras:-the lessons} need," \
  "pinned by constraints.txt: minutes the first time, skipped later"
with_progress "$@" --constraint constraints.txt --editable ".${extras:+[$extras]}"
printf '%s\n' "$key" "$PWD" "$extras" >"$stamp"
