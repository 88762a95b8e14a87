#!/bin/sh
# Installs the Debian packages that the build needs and that are not there yet; shows them first.
#
#   scripts/setup.sh           build and tests
#   scripts/setup.sh --tools   also what `make tidy format fuzz minimal` and a clang build need
#
# Does nothing, and needs no network, when nothing is missing. Asks no questions.
set -eu

packages='gcc libc6-dev make pkg-config libzstd-dev libsqlite3-dev libyaml-dev'
# libtracecmd's header needs that of libtracefs, which its package does not ask for.
packages="$packages libtracecmd-dev libtracefs-dev libtraceevent-dev libcriterion-dev"
# The tests pack a file of their own.
packages="$packages zstd"
tools='clang clang-format clang-tidy cppcheck debootstrap'

case "${1-}" in
'') ;;
--tools) packages="$packages $tools" ;;
*)
	echo "setup: unknown argument '$1'; the only one is --tools" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "setup: this is not a Debian system; install what corresponds to: $packages" >&2
	exit 0
fi

missing=''
for package in $packages; do
	case "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)" in
	?i*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

echo "setup: missing Debian packages:$missing"
as_root=''
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "setup: run this as root: apt-get install --no-install-recommends$missing" >&2
		exit 3
	fi
	# CI has nobody to type a password.
	as_root='sudo'
	[ -t 0 ] || as_root='sudo -n'
fi

# The package lists may be absent or old; a failed update still leaves lists that may do.
$as_root apt-get -q update </dev/null ||
	echo "setup: the package lists could not be updated; trying with the ones at hand" >&2
# shellcheck disable=SC2086 # words are meant to split
if ! $as_root env DEBIAN_FRONTEND=noninteractive \
	apt-get -q -y --no-install-recommends install $missing </dev/null; then
	echo "setup: installing failed; by hand: apt-get install --no-install-recommends$missing" >&2
	exit 3
fi
