# Process 1 of the command's process namespace, in either kernel: makes the network usable and runs the command. When
# this shell ends, every process that the command left behind ends too. Descriptor 3 brings signals for the command.
set -u
[ $$ = 1 ] || exit 125
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
hostname lab
ip link set lo up
# Modules in the guest; on an ordinary host the launcher's kernel loads them as they are asked for.
modprobe -qa esp4 esp6 xfrm_user af_packet veth tun sch_netem
# This shell's own words about ended jobs are not the command's.
exec 4>&2 2> /dev/null
if [ "${LAB_TERMINAL:-}" = yes ]; then
  setsid -c /bin/sh /run/lab/command.sh <&0 2>&4 3>&- 4>&- &
else
  setsid /bin/sh /run/lab/command.sh 2>&4 3>&- 4>&- &
fi
command=$!
(
  exec > /dev/null 4>&-
  while read -r signal <&3; do kill -s "$signal" -- "-$command"; done
) &
wait $command
exit $?
