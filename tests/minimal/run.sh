#!/usr/bin/env bash
# Proves that a fresh clone needs nothing but git, make and ca-certificates: makes Debian's
# smallest system in a temporary folder, clones the project into it and runs `make demo` and
# `make test` there. Needs root, debootstrap, network and some minutes.
#
#   MIRROR=URL    another package mirror than debootstrap's default
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=bookworm

[ "$(id -u)" -eq 0 ] || { echo 'minimal: debootstrap and chroot need root' >&2; exit 2; }
command -v debootstrap >/dev/null || {
	echo 'minimal: debootstrap is missing; scripts/setup.sh --tools installs it' >&2
	exit 2
}
[ -z "$(git status --porcelain)" ] ||
	echo 'minimal: what is not committed is not tested: the clone has only commits' >&2

root=$(mktemp -d)
clean_up() {
	# --one-file-system: should an unmount fail, the host's files behind it stay.
	umount "$root/proc" 2>/dev/null || true
	rm -rf --one-file-system "$root"
}
trap clean_up EXIT
trap 'exit 3' INT TERM

# MIRROR is left out when empty, so that debootstrap takes its own default.
debootstrap --variant=minbase --include=git,make,ca-certificates "$suite" "$root" ${MIRROR:+"$MIRROR"}
# Criterion finds its tests through /proc.
mount -t proc proc "$root/proc"
# Names are resolved and packages fetched as on this machine.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
git clone --quiet --no-hardlinks . "$root/iommusim"

inside() {
	chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 CI=true \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		"$@" </dev/null
}
inside make -C /iommusim demo
inside make -C /iommusim test
echo 'minimal: demo and test succeeded in a minimal system'
