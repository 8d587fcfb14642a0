# Process 1 of a node: network, then kubelet and what it needs, each started again when it ends, as an init system does.
set -u
. /run/node/settings.sh
umount -l /mnt
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for name in $PROGRAMS; do PATH=$PATH:/opt/ikemesh/$name; done
export PATH HOME=/root LANG=C.UTF-8
say() { echo "node: $*"; }

hostname "$NODE"
# What is written reaches the disk within a second, for nodes whose power is cut; what a machine is known by, at once.
echo 50 > /proc/sys/vm/dirty_writeback_centisecs
echo 100 > /proc/sys/vm/dirty_expire_centisecs
[ -s /etc/machine-id ] || { tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id && sync; }
printf '127.0.0.1 localhost\n::1 localhost\n' > /etc/hosts
# cadvisor wants a clock speed, which this kernel's cpuinfo does not have.
printf 'processor\t: 0\nvendor_id\t: UML\ncpu MHz\t\t: 2000.000\ncore id\t\t: 0\nphysical id\t: 0\n' > /run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo
mkdir -p /sys/fs/cgroup/init
echo $$ > /sys/fs/cgroup/init/cgroup.procs

modprobe -qa ipv6 af_packet veth bridge br_netfilter esp4 esp6 xfrm_user iptable_nat ip6table_nat iptable_filter ip6table_filter
# nftables of this kernel has no inet family.
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  [ "$(readlink /usr/sbin/$name)" = xtables-legacy-multi ] || ln -sf xtables-legacy-multi /usr/sbin/$name
done
# What waits for a program that a busy processor does not run for seconds is not lost on the way: streams ask for 64 MiB.
sysctl -qw net.core.rmem_max=67108864
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.bridge.bridge-nf-call-iptables=1 \
  net.bridge.bridge-nf-call-ip6tables=1 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.all.accept_ra=0
# What systemd would start before the network: the units that somebody has put there.
for unit in /etc/systemd/system/*.service; do
  [ -f "$unit" ] || continue
  unshare --mount sh /run/node/start-unit.sh "$unit" > "/var/log/$(basename "$unit").log" 2>&1 < /dev/null &
  [ "$(sed -n 's/^Type=//p' "$unit")" != oneshot ] || wait $!
done
ip link set lo up
ip link set vec0 name eth0
for address in $ADDRESSES; do
  case $address in *:*) ip addr add "$address" dev eth0 nodad ;; *) ip addr add "$address" dev eth0 ;; esac
done
ip link set eth0 up
for gateway in $GATEWAYS; do
  case $gateway in *:*) ip -6 route replace default via "$gateway" ;; *) ip route replace default via "$gateway" ;; esac
done

# Each in a session and a cgroup of its own; what has to do with pods may itself have children that outlive it.
keep() { # NAME COMMAND...
  name=$1
  shift
  (
    mkdir -p "/sys/fs/cgroup/$name"
    sh -c 'echo $$ > "/sys/fs/cgroup/$1/cgroup.procs"' - "$name"
    while :; do
      setsid -w "$@" >> "/var/log/$name.log" 2>&1 < /dev/null
      echo "$(date -u +%FT%TZ) $name ended with $?" >> "/var/log/$name.log"
      sleep 1
    done
  ) &
}

stty raw -echo < /dev/ttyS0
keep_line() { while :; do node-commands < /dev/ttyS0 > /dev/ttyS0 2>> /var/log/node-commands.log; sleep 1; done; }
keep_line &
mkdir -p /etc/cni/net.d
keep containerd containerd --config /run/node/containerd.toml
waited=0
until [ -S /run/containerd/containerd.sock ]; do
  [ $waited != 100 ] || say "containerd does not listen; its log ends: $(tail -n 5 /var/log/containerd.log)"
  waited=$((waited + 1))
  sleep 0.1
done
sh /run/node/import-images.sh || say 'pods may lack images'
keep kubelet kubelet --config=/run/node/kubelet.yaml --kubeconfig=/run/node/kubelet.kubeconfig \
  --hostname-override="$NODE" --node-ip="$NODE_IPS"
keep kube-proxy kube-proxy --config=/run/node/kube-proxy.yaml --hostname-override="$NODE"
say started
# Process 1 takes in whatever has lost its parent.
while :; do wait; sleep 1; done
