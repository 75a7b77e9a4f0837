#!/usr/bin/env bash
# Installs what building and testing MarketPrism needs on Debian 12 (x86-64): packages by apt, DuckDB and uPlot by npm into
# .deps/. With --tests also the programs that tests run: Chromium, Prometheus, Redis (none of them is started as a service).
# Skips what is there, so it can run before every build. Which mirror and which registry are used is the matter of apt's and
# npm's own configuration. Needs root or sudo only when a package is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
log=.deps/setup.log
downloads=.deps/download

duckdb_version=1.4.4
duckdb_library_package=@duckdb/node-bindings-linux-x64@1.4.4-r.3
duckdb_library_file=duckdb-node-bindings-linux-x64-1.4.4-r.3.tgz
duckdb_library_sha256=59d0f150d84bbc413aa80b9b7ae45916e710c27d18d66722d4875a7b840415a5
duckdb_header_package=duckdb@1.4.4
duckdb_header_file=duckdb-1.4.4.tgz
duckdb_header_sha256=5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed

uplot_version=1.6.32
uplot_file=uplot-1.6.32.tgz
uplot_sha256=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d

with_tests=no
case ${1:-} in
  "") ;;
  --tests) with_tests=yes ;;
  *) echo "usage: $0 [--tests]" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# Each line: why, then the packages.
packages() {
  cat <<'LIST'
compiler, linker, sanitizers, symbolizer: clang-19 lld-19 libclang-rt-19-dev llvm-19
second compiler and the C++ library: g++
style and static checks: clang-format-19 clang-tidy-19
build: cmake ninja-build ccache pkg-config
libraries the program links: libboost1.81-dev libfmt-dev libspdlog-dev libcli11-dev libtomlplusplus-dev libzstd-dev zlib1g-dev libssl-dev
faster AES-GCM for TLS on processors with VAES: libipsec-mb-dev
tests and benchmarks: libgtest-dev libgmock-dev libbenchmark-dev python3 openssl
certificates of the public authorities: ca-certificates
LIST
  if [ $with_tests = yes ]; then
    echo "tests of the dashboard and the metrics: chromium chromium-driver prometheus"
    echo "tests of the library's examples: redis-server"
    echo "build option MARKETPRISM_IO_URING: liburing-dev"
  fi
  # Only to fetch DuckDB and uPlot. Not asked for when some npm is there already (Debian's is large) or they are.
  if ! { has_duckdb && has_uplot; } && ! command -v npm >/dev/null; then echo "fetches DuckDB and uPlot: npm"; fi
}

has_uplot() { [ "$(cat .deps/uplot/stamp 2>/dev/null)" = "$uplot_version $uplot_sha256" ]; }

has_duckdb() { [ "$(cat .deps/duckdb/stamp 2>/dev/null)" = "$duckdb_version $duckdb_library_sha256 $duckdb_header_sha256" ]; }

check_system() {
  local id=unknown version=unknown
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-unknown}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-unknown}")
  fi
  if [ "$id" != debian ] || [ "$version" != 12 ] || [ "$(uname -m)" != x86_64 ]; then
    die "this is $id $version on $(uname -m), and the script knows only Debian 12 on x86_64." \
        "Elsewhere install by hand what is listed in $0 and put DuckDB $duckdb_version's libduckdb.so into" \
        ".deps/duckdb/lib and duckdb.h into .deps/duckdb/include, uPlot $uplot_version's uPlot.esm.js and uPlot.min.css into" \
        ".deps/uplot; then build with cmake --preset release."
  fi
}

install_packages() {
  local installed missing=() why names name needed
  installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p' | tr '\n' ' ') "
  while IFS=: read -r why names; do
    needed=()
    for name in $names; do
      case $installed in *" $name "*) ;; *) needed+=("$name") ;; esac
    done
    if [ ${#needed[@]} -gt 0 ]; then
      say "to install (${why}): ${needed[*]}"
      missing+=("${needed[@]}")
    fi
  done < <(packages)
  if [ ${#missing[@]} -eq 0 ]; then say "packages: all there"; return; fi

  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing and installing them needs root, but this is user $(id -un) and there is no sudo:" \
          "  ${missing[*]}" "Run $0 as root, or ask who may to install them."
    root=(sudo)
  fi
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  say "apt-get update and install (log: $log)"
  "${apt[@]}" update >>"$log" 2>&1 || apt_failed update
  forbid_services
  "${apt[@]}" install --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || apt_failed install
  say "packages: installed ${#missing[@]}"
}

# The tests start their own servers: apt must not leave one running. Undone when the script ends.
forbid_services() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then return; fi
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
  "${root[@]}" chmod 755 $policy
  # shellcheck disable=SC2064
  trap "${root[*]} rm -f $policy" EXIT
}

apt_failed() {
  tail -n 15 "$log" >&2
  die "apt-get $1 failed; the lines above are the end of $log." "Check the network and /etc/apt/sources.list, then run again."
}

# fetch PACKAGE FILE SHA256: leaves the checked tarball in $downloads.
fetch() {
  local package=$1 file=$2 sha256=$3
  if ! is_intact "$file" "$sha256"; then
    say "npm pack $package"
    (cd "$downloads" && npm pack --loglevel=error "$package") >>"$log" 2>&1 || {
      tail -n 15 "$log" >&2
      die "npm could not fetch $package; the lines above are the end of $log." \
          "Check the network and npm's configuration (npm config get registry), or put $file into $downloads yourself."
    }
    is_intact "$file" "$sha256" ||
      die "$downloads/$file does not have the SHA-256 this script expects ($sha256)." \
          "It is damaged or not the published file. Delete it and run again."
  fi
}

is_intact() { [ -f "$downloads/$1" ] && echo "$2  $downloads/$1" | sha256sum --check --status; }

install_duckdb() {
  if has_duckdb; then say "DuckDB $duckdb_version: there"; return; fi
  mkdir -p "$downloads"
  fetch "$duckdb_library_package" "$duckdb_library_file" "$duckdb_library_sha256"
  fetch "$duckdb_header_package" "$duckdb_header_file" "$duckdb_header_sha256"
  local new=.deps/duckdb.new headers=package/src/duckdb/src/include
  rm -rf "$new"
  mkdir -p "$new/lib" "$new/include"
  tar -xzf "$downloads/$duckdb_library_file" -C "$new/lib" --strip-components=1 package/libduckdb.so package/LICENSE
  tar -xzf "$downloads/$duckdb_header_file" -C "$new/include" --strip-components=5 "$headers/duckdb.h"
  echo "$duckdb_version $duckdb_library_sha256 $duckdb_header_sha256" >"$new/stamp"
  rm -rf .deps/duckdb
  mv "$new" .deps/duckdb
  say "DuckDB $duckdb_version: installed in .deps/duckdb"
}

install_uplot() {
  if has_uplot; then say "uPlot $uplot_version: there"; return; fi
  mkdir -p "$downloads"
  fetch "uplot@$uplot_version" "$uplot_file" "$uplot_sha256"
  local new=.deps/uplot.new
  rm -rf "$new"
  mkdir -p "$new"
  tar -xzf "$downloads/$uplot_file" -C "$new" --strip-components=2 package/dist/uPlot.esm.js package/dist/uPlot.min.css
  tar -xzf "$downloads/$uplot_file" -C "$new" --strip-components=1 package/LICENSE
  echo "$uplot_version $uplot_sha256" >"$new/stamp"
  rm -rf .deps/uplot
  mv "$new" .deps/uplot
  say "uPlot $uplot_version: installed in .deps/uplot"
}

start=$SECONDS
mkdir -p .deps
exec 9>.deps/lock  # two runs at once wait for each other
flock 9
: >"$log"
check_system
install_packages
install_duckdb
install_uplot
say "done in $((SECONDS - start)) s"
