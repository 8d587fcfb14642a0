# Imports what of the images in the node's folder is not yet on its disk. Nothing is ever pulled.
for image in /run/node/images/*.tar; do
  mark=/var/lib/containerd/imported-$(basename "$image")
  [ -e "$mark" ] && continue
  # containerd writes down that it has unpacked an image, but does not wait until the files are on the disk.
  ctr -n k8s.io images import "$image" > /run/import.log 2>&1 && sync && : > "$mark" && continue
  echo "the image $(basename "$image") was not imported: $(tail -n 3 /run/import.log)" >&2
  failed=yes
done
[ -z "${failed:-}" ]
