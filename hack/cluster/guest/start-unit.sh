# Starts what a unit of systemd starts, in the root folder that it names. Runs in a namespace of mounts of its own.
set -u
of() { sed -n "s/^$1=//p" "$unit"; }
unit=$1
root=$(of RootDirectory)
for path in $(of BindPaths); do
  mkdir -p "$root$path"
  mount --bind "$path" "$root$path"
done
if [ "$(of MountAPIVFS)" = yes ]; then
  mkdir -p "$root/proc" "$root/sys" "$root/dev"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t devtmpfs devtmpfs "$root/dev"
fi
# Words of a shell, as those of a unit are.
eval "exec chroot '${root:-/}' $(of ExecStart)"
