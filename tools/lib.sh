# Shared by the scripts in tools/: where things are, how to say what happens, how to install what is needed.
# Sourced, never run.
set -euo pipefail
INGOT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export INGOT_ROOT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say() { printf '\n==> %s\n' "$*"; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

PACKAGES_BUILD="cmake ninja-build gcc libc6-dev pkg-config libnng-dev libprotobuf-c-dev protobuf-c-compiler
  protobuf-compiler libcurl4-gnutls-dev libyaml-dev libsodium-dev libcmocka-dev libjansson-dev libuv1-dev libmicrohttpd-dev
  libmnl-dev libseccomp-dev libcap-ng-dev"
PACKAGES_LAB="iproute2 nftables procps frr bird2 python3"
PACKAGES_TEST="$PACKAGES_LAB clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev binutils git man-db
  python3-pytest python3-scapy python3-yaml gobgpd tcpdump curl iputils-ping util-linux openssl nghttp2-server
  etcd-server openssl"

# install_packages NAME...: from Debian, only what is missing, without starting any service.
install_packages() {
	local name missing=()
	for name in "$@"; do
		dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	[ "$(id -u)" = 0 ] || die "these packages are missing and only root can install them: ${missing[*]}"
	command -v apt-get >/dev/null || die "apt-get not found: this needs Debian 12"
	say "installing ${#missing[@]} packages: ${missing[*]}"
	local guard=
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		guard=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' > "$guard"
		chmod 755 "$guard"
	fi
	local log=0
	apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || log=$?
	[ -z "$guard" ] || rm -f "$guard"
	[ "$log" = 0 ] || die "apt-get could not install: ${missing[*]}"
}

# build_preset NAME [CMAKE OPTION...]: configure and build build/NAME.
build_preset() {
	local preset=$1
	shift
	cmake --preset "$preset" -S "$INGOT_ROOT" "$@" >"$INGOT_ROOT/build/$preset.configure.log" 2>&1 ||
		{ cat "$INGOT_ROOT/build/$preset.configure.log" >&2; die "cmake could not configure $preset"; }
	ninja -C "$INGOT_ROOT/build/$preset" --quiet || die "the build of $preset failed"
}
mkdir -p "$INGOT_ROOT/build"
