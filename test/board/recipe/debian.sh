#!/bin/sh
# FOLDER has what `debootstrap --foreign` fetched: makes a Debian of it. This computer's dpkg unpacks (debootstrap's own second stage does all of it emulated, and took three times as long);
# what packages run when they are configured is armhf.
set -eu
root=$1
rm -r "$root/debootstrap"
ln -s mawk "$root/usr/bin/awk"
dpkg --root="$root" --force-architecture --force-depends --force-unsafe-io --log=/dev/null --unpack "$root"/var/cache/apt/archives/*.deb
# Users and folders that every other package takes for granted.
chroot "$root" dpkg --configure --force-depends base-passwd base-files
chroot "$root" dpkg --configure --force-unsafe-io -a
rm "$root"/var/cache/apt/archives/*.deb
