#!/bin/sh
# Before npm installs: Node 26, which every script runs on, needs libatomic.so.1, and a minimal Debian has none.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
for folder in /lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /lib/*-linux-gnu /usr/lib/*-linux-gnu; do
  [ -e "$folder/libatomic.so.1" ] && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "ikemesh: Node 26 needs libatomic.so.1, which is not here: install the package libatomic1 (libatomic on Fedora)" >&2
  exit 1
fi
echo "ikemesh: installing the Debian package libatomic1, which Node 26 needs"
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq libatomic1 >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq libatomic1 >/dev/null; }
