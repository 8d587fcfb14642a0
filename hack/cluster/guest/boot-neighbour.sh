# Prepares the file system of a machine beside the cluster and goes on with start-neighbour.sh. Runs as process 1 of a User
# Mode Linux guest on the read-only cached root folder, with the machine's folder of the host on /mnt.
set -u
. /mnt/settings.sh
modprobe overlay
mkdir /tmp/upper /tmp/work /tmp/new
new=/tmp/new
# What it writes goes to memory: it is never booted again.
mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay $new || exit 1
mount -t proc proc $new/proc
mount -t sysfs sysfs $new/sys
mount -t devtmpfs devtmpfs $new/dev
mount -t tmpfs -o mode=1777 tmpfs $new/tmp
mount -t tmpfs -o mode=755 tmpfs $new/run
mkdir -p $new/run/node $new/run/node-commands
mount -t hostfs -o "ro,hostfs=$LAB_RUN" none $new/run/node
mount -t hostfs -o "ro,hostfs=$PROGRAM_node_commands" none $new/run/node-commands || exit 1
cd $new && pivot_root . mnt || exit 1
exec chroot . /bin/sh /run/node/start-neighbour.sh
