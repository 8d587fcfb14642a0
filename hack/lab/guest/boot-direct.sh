# Prepares a root of our own in fresh mount, network and process namespaces and goes on with start.sh.
# Runs as process 1 of its process namespace: boot-direct.sh RUN-FOLDER ROOT-FOLDER, orders on descriptor 3.
set -u
run=$1 root=$2 new=$1/new
mount --make-rprivate /
mkdir -p "$new"
mount -t tmpfs -o mode=755 tmpfs "$new"
mkdir "$new/upper" "$new/work" "$new/root"
mount -t overlay -o "lowerdir=$root,upperdir=$new/upper,workdir=$new/work" overlay "$new/root" || exit 125
new=$new/root
mount -t proc proc "$new/proc"
mount -t sysfs sysfs "$new/sys"
mount --rbind /dev "$new/dev"
. "$run/file-systems.sh"
share() { # MODE PATH
  mkdir -p "$new$2"
  mount --bind "$2" "$new$2" && mount -o "remount,bind,$1" "$new$2" || echo "lab: the folder $2 cannot be shared" >&2
}
while read -r mode path; do share "$mode" "$path"; done < "$run/shares"
mkdir -p "$new/run/lab"
mount --bind "$run" "$new/run/lab"
cd "$new" && pivot_root . mnt || exit 125
umount -l mnt
exec chroot . /bin/sh /run/lab/start.sh
