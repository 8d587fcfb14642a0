# Prepares the file system of a User Mode Linux guest and goes on with supervise-uml.sh.
# Runs as process 1 on the read-only cached root folder, with the run folder on /mnt.
set -u
# User Mode Linux corrupts the page tables of a process that maps io_uring's memory, as Node does.
echo 2 > /proc/sys/kernel/io_uring_disabled
# The modules of a kernel that is not the root folder's own.
if [ -n "${LAB_MODULES:-}" ]; then mount -t hostfs -o "ro,hostfs=$LAB_MODULES" none /usr/lib/modules; fi
modprobe overlay
mkdir /tmp/upper /tmp/work /tmp/new
new=/tmp/new
# Writes of a run go to memory: the cached root folder is shared by all guests that run at the time.
mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay $new || exit 1
if [ -n "${LAB_MODULES:-}" ]; then mount --bind /usr/lib/modules $new/usr/lib/modules; fi
mount -t proc proc $new/proc
mount -t sysfs sysfs $new/sys
mount -t devtmpfs devtmpfs $new/dev
. /mnt/file-systems.sh
share() { # MODE PATH
  mkdir -p "$new$2"
  mount -t hostfs -o "$1,hostfs=$2" none "$new$2" || echo "lab: the folder $2 cannot be shared"
}
while read -r mode path; do share "$mode" "$path"; done < /mnt/shares
mkdir -p $new/run/lab
mount -t hostfs -o "hostfs=$LAB_RUN" none $new/run/lab
cd $new && pivot_root . mnt || exit 1
exec chroot . /bin/sh /run/lab/supervise-uml.sh
