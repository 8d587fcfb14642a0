# Process 1 of a machine beside the cluster: its network, and commands over its serial line.
set -u
. /run/node/settings.sh
umount -l /mnt
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH HOME=/root LANG=C.UTF-8
hostname "$NODE"
modprobe -qa ipv6 af_packet dummy esp4 esp6 xfrm_user
ip link set lo up
ip link set vec0 name eth0
for address in $ADDRESSES; do
  case $address in *:*) ip addr add "$address" dev eth0 nodad ;; *) ip addr add "$address" dev eth0 ;; esac
done
ip link set eth0 up
# A frame's signal can come before the host says that there is a frame to read: then the guest sees none until the next
# signal, which a machine as idle as this one gets too late. A node's disk sends it enough of them.
while :; do ping -q -i 0.2 "$ROUTER%eth0"; sleep 1; done > /dev/null 2>&1 &
stty raw -echo < /dev/ttyS0
while :; do
  /run/node-commands/node-commands < /dev/ttyS0 > /dev/ttyS0 2>> /run/node-commands.log
  sleep 1
done
