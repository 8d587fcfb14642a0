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
# A job in the background would get /dev/null as its input and ignore interrupts.
exec 5<&0
command='env --default-signal=INT,QUIT /bin/sh /run/lab/command.sh'
if [ "${LAB_TERMINAL:-}" = yes ] && [ "$LAB_KERNEL" = direct ]; then
  # The launcher's own session has the terminal, and the command becomes its foreground job.
  $command <&5 2>&4 3>&- 4>&- 5<&- &
elif [ "${LAB_TERMINAL:-}" = yes ]; then
  setsid -c $command <&5 2>&4 3>&- 4>&- 5<&- &
else
  setsid $command 2>&4 3>&- 4>&- 5<&- &
fi
command=$!
(
  exec > /dev/null 4>&- 5<&-
  while read -r signal <&3; do kill -s "$signal" -- "-$command"; done
) &
wait $command
exit $?
