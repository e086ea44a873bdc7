#!/bin/sh
# Run by world.ts in user, mount, pid, uts and ipc namespaces of its own: with FOLDER, an armhf root, made ready to chroot into, runs COMMAND…, armhf programs by qemu. All of it ends when stdin ends.
set -e
if [ "$1" != mapped ]; then
	# Whoever started us maps our users now; only what is executed after that is root here.
	echo unmapped
	read -r _
	exec "$0" mapped "$@"
fi
shift
root=$1
shift
mount --make-rprivate /
mount -t proc proc /proc
# A binfmt_misc of our own (Linux 6.7): nobody else's programs are touched. O: by open file, C: with the program's rights (sudo is setuid), F: the interpreter from out here.
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':arm:M::\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-arm-static:OCF' >/proc/sys/fs/binfmt_misc/register
hostname pynq
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
	touch "$root/dev/$name"
	mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
# The processor's and the memory's files are this computer's there; these are a board's.
for name in cpuinfo meminfo; do [ ! -e "$root.proc/$name" ] || mount --bind "$root.proc/$name" "$root/proc/$name"; done
exec 3<&0
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 container=lxc QEMU_CPU=cortex-a9 DEBIAN_FRONTEND=noninteractive "$@" </dev/null 3<&- &
command=$!
# With the first process every other one goes.
trap 'exit 143' TERM
(cat >/dev/null <&3; kill -TERM $$) >/dev/null 2>&1 &
wait $command
