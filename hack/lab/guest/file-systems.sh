# Sourced by both boot scripts: what every lab mounts below $new, whatever the kernel it runs in.
mount -t tmpfs -o mode=1777 tmpfs "$new/tmp"
mount -t tmpfs -o mode=755 tmpfs "$new/run"
mkdir -p "$new/run/netns" "$new/run/lock" "$new/dev/pts" "$new/dev/shm"
if [ "$(stat -f -c %T "$new/dev/shm")" != tmpfs ]; then mount -t tmpfs -o mode=1777 tmpfs "$new/dev/shm"; fi
[ -e "$new/dev/pts/ptmx" ] || mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts "$new/dev/pts"
[ -e "$new/dev/fd" ] || ln -s /proc/self/fd "$new/dev/fd"
