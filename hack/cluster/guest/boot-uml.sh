# Prepares the file system of a node and goes on with start-node.sh. Runs as process 1 of a User Mode Linux guest on the
# read-only cached root folder, with the node's folder of the host on /mnt.
set -u
. /mnt/settings.sh
# User Mode Linux corrupts the page tables of a process that maps io_uring's memory, as Node does.
echo 2 > /proc/sys/kernel/io_uring_disabled
modprobe overlay
mount -t devtmpfs devtmpfs /dev
disk=/tmp/disk new=/tmp/new
mkdir $disk $new
# The disk is a file of the host, whose cache outlives a guest that is killed: there is no power cut to flush for.
mount -t ext4 -o nobarrier,noatime /dev/ubda $disk || exit 1
mkdir -p $disk/upper $disk/work $disk/containerd $disk/kubelet $disk/log
mount -t overlay -o lowerdir=/,upperdir=$disk/upper,workdir=$disk/work overlay $new || exit 1
mount -t proc proc $new/proc
mount -t sysfs sysfs $new/sys
mount -t devtmpfs devtmpfs $new/dev
mkdir -p $new/dev/pts $new/dev/shm $new/var/lib/containerd $new/var/lib/kubelet $new/opt/ikemesh
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts $new/dev/pts
mount -t tmpfs -o mode=1777 tmpfs $new/dev/shm
mount -t tmpfs -o mode=1777 tmpfs $new/tmp
mount -t tmpfs -o mode=755 tmpfs $new/run
mount -t cgroup2 cgroup2 $new/sys/fs/cgroup
# containerd's layers are overlays of their own, which cannot lie upon another one.
mount --bind $disk/containerd $new/var/lib/containerd
mount --bind $disk/kubelet $new/var/lib/kubelet
mount --bind $disk/log $new/var/log
mkdir -p $new/run/node
mount -t hostfs -o "ro,hostfs=$LAB_RUN" none $new/run/node
for name in $PROGRAMS; do
  folder=$(eval echo "\$PROGRAM_$(echo "$name" | tr '-' '_')")
  mkdir -p "$new/opt/ikemesh/$name"
  mount -t hostfs -o "ro,hostfs=$folder" none "$new/opt/ikemesh/$name" || exit 1
done
cd $new && pivot_root . mnt || exit 1
exec chroot . /bin/sh /run/node/start-node.sh
