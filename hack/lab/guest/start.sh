# Process 1 once the file system stands: makes the network usable, runs the command, reports its end.
# Descriptor 3 leads to the launcher: signals to forward come in by name, "exit CODE" goes out.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
# The end of a run kills every process it can see.
[ $$ = 1 ] || exit 125
umount -l /mnt
hostname lab 2> /dev/null
ip link set lo up
# Built-in or autoloaded on an ordinary host, modules in the guest.
modprobe -qa esp4 esp6 xfrm_user af_packet veth tun sch_netem
# What a run leaves in its output folder must be on the host soon, also when the guest is killed.
if [ "${LAB_KERNEL:-}" = uml ]; then
  echo 50 > /proc/sys/vm/dirty_writeback_centisecs
  echo 100 > /proc/sys/vm/dirty_expire_centisecs
fi
# This shell's own words about ended jobs are not the command's.
exec 4>&2 2> /dev/null
if [ "${LAB_TERMINAL:-}" = yes ]; then
  setsid -c /bin/sh /run/lab/command.sh <&0 2>&4 3>&- 4>&- &
else
  setsid /bin/sh /run/lab/command.sh 2>&4 3>&- 4>&- &
fi
command=$!
(
  while read -r signal <&3; do kill -s "$signal" -- "-$command"; done
) > /dev/null 2>&1 &
wait $command
code=$?
# Nothing may write behind the end marks.
kill -s KILL -- -1
sync
if [ "${LAB_KERNEL:-}" = uml ] && [ "${LAB_TERMINAL:-}" != yes ]; then
  mark=$(cat /run/lab/end-mark)
  printf '%s' "$mark"
  printf '%s' "$mark" >&4
fi
echo "exit $code" >&3
[ "${LAB_KERNEL:-}" = uml ] || exit $code
sleep 60
echo o > /proc/sysrq-trigger
sleep 60
