/** The DER of a file that holds blocks in PEM, or one in DER. */
export function derBlocks(content: Uint8Array, label: string): readonly Uint8Array[] | undefined {
  // No text begins with the tag of a SEQUENCE, which is a zero, followed by a length of more than a byte.
  if (content[0] === 0x30 && (content[1] ?? 0) > 0x7f) return [Uint8Array.from(content)];
  return pemBlocks(Buffer.from(content).toString('latin1'), label);
}

/** The DER of all blocks with a label in a PEM text (RFC 7468), in their order; undefined where one is cut or no base64. */
function pemBlocks(text: string, label: string): readonly Uint8Array[] | undefined {
  const blocks: Uint8Array[] = [];
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + begin.length)) {
    const until = text.indexOf(end, at);
    const base64 = text.slice(at + begin.length, Math.max(until, 0)).replaceAll(/\s/g, '');
    if (until < 0 || !BASE64.test(base64)) return undefined;
    blocks.push(Uint8Array.from(Buffer.from(base64, 'base64')));
  }
  return blocks;
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
