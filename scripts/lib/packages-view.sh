#!/bin/sh
# Runs a command as if Debian packages were installed, which they are not: in
# an overlay over this system's files that only the command sees. That is how
# mail servers whose packages exclude each other stand side by side.
#
#   packages-view.sh DEB-DIR HOSTNAME FILES-DIR OUTPUT-DIR COMMAND...
#
# Must run inside `unshare --mount --uts --pid --fork`. FILES-DIR is laid over
# the packages (configuration, accounts); OUTPUT-DIR appears as /output.
set -eu
debs=$1 name=$2 files=$3 output=$4
shift 4

view=$output/view
mkdir -p "$view"
mount -t tmpfs view "$view"
mkdir "$view/upper" "$view/work" "$view/root"
for deb in "$debs"/*.deb; do
    dpkg-deb -x "$deb" "$view/upper"
done
# The packages still say /lib and /bin; a folder there would hide the links
# of the system below.
for dir in bin sbin lib lib64; do
    if [ -d "$view/upper/$dir" ]; then
        mkdir -p "$view/upper/usr/$dir"
        cp -a "$view/upper/$dir/." "$view/upper/usr/$dir/"
        rm -rf "${view:?}/upper/$dir"
    fi
done
mkdir -p "$view/upper/etc" "$view/upper/output"
cp /etc/passwd /etc/group /etc/shadow "$view/upper/etc/"
cp -r "$files/." "$view/upper/"

hostname "$name"
mount -t overlay view -o "lowerdir=/,upperdir=$view/upper,workdir=$view/work" "$view/root"
mount -t proc proc "$view/root/proc"
mount --rbind /dev "$view/root/dev"
mount -t tmpfs run "$view/root/run"
mount -t tmpfs tmp "$view/root/tmp"
mount --bind "$output" "$view/root/output"
exec chroot "$view/root" "$@"
