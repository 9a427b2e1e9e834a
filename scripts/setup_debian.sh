#!/usr/bin/env bash
# Installs what the tests want on Debian 12, as root: packages, and into a cache folder Go 1.23 and
# esbuild. No service is started. Run again, it only looks.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MPTCPIZE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mptcpize}
esbuild_version=0.28.2
go_version=1.23

say() { printf 'setup: %s\n' "$*"; }

if ! command -v apt-get >/dev/null; then
  say "this is not Debian: install by other means what $here/debian_packages.txt names" >&2
  exit 1
fi

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confold "$@"
}

missing_packages() {
  local package
  sed 's/#.*//' "$here/debian_packages.txt" | xargs -n1 | while read -r package; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

# A service must neither start when its package is installed nor leave a database cluster behind.
own_policy=
restore() { [ -z "$own_policy" ] || rm -f /usr/sbin/policy-rc.d; }

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  if [ ${#packages[@]} -eq 0 ]; then
    say "all packages are there"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    say "run this as root; missing: ${packages[*]}" >&2
    exit 1
  fi
  say "installing ${packages[*]}"
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    own_policy=yes
    trap restore EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  apt update
  apt install --no-install-recommends "${packages[@]}"
  restore
}

# Prints the machine's own package sources with the release's suite turned into its backports.
backports_sources() {
  local codename=$1 file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    case $file in
    *.sources)
      [ ! -e "$file" ] || awk -v name="$codename" '
        BEGIN { RS = ""; ORS = "\n\n" }
        ("\n" $0) ~ "\nSuites:([^\n]*[ \t])?" name "([ \t\n]|$)" {
          gsub(/(^|\n)#[^\n]*/, "")
          sub(/Suites:[^\n]*/, "Suites: " name "-backports")
          print
        }' "$file"
      ;;
    esac
  done >"$2/backports.sources"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -e "$file" ] || sed -nE "s/^(deb +(\[[^]]*\] +)?[^ ]+ +)$codename( )/\1$codename-backports\3/p" "$file"
  done >"$2/backports.list"
}

install_go() {
  local target=$cache/go-$go_version
  local go=$target/usr/lib/go-$go_version/bin/go
  if [ -x "$go" ]; then
    say "Go $go_version is there"
    return
  fi
  say "fetching Go $go_version from the backports into $target"
  local work
  work=$(mktemp -d)
  mkdir -p "$work/sources" "$work/lists/partial" "$work/debs"
  # shellcheck source=/dev/null
  backports_sources "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/sources"
  chmod -R a+rX "$work"
  local options=(
    -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/sources"
    -o "Dir::State::Lists=$work/lists" -o "APT::Sandbox::User=root"
  )
  # A source that has no backports fails here; the download decides.
  apt "${options[@]}" update || true
  (cd "$work/debs" && apt "${options[@]}" download "golang-$go_version-go" "golang-$go_version-src")
  local deb
  mkdir -p "$target.new"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$target.new"; done
  rm -rf "$work" "$target"
  mv "$target.new" "$target"
  "$go" version
}

install_esbuild() {
  local target=$cache/esbuild/esbuild work architecture
  if [ "$("$target" --version 2>/dev/null)" = "$esbuild_version" ]; then
    say "esbuild $esbuild_version is there"
    return
  fi
  say "fetching esbuild $esbuild_version from npm into $cache/esbuild"
  case $(uname -m) in
  x86_64) architecture=x64 ;;
  aarch64) architecture=arm64 ;;
  esac
  work=$(mktemp -d)
  npm install --silent --no-save --no-audit --no-fund --prefix "$work" \
    "@esbuild/linux-$architecture@$esbuild_version"
  mkdir -p "$cache/esbuild"
  mv "$work/node_modules/@esbuild/linux-$architecture/bin/esbuild" "$target"
  rm -rf "$work"
  "$target" --version
}

install_packages
mkdir -p "$cache"
install_go
install_esbuild
say "done"
