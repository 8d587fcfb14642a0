import type { LabNode } from '../topology/lab-node.ts';

/** Where datagrams go. */
export interface UdpEndpoint {
  readonly address: string;
  readonly port: number;
}

/** Sends datagrams from a node by the bundled `send-datagrams.ts`, and gives the answers that came soon after. */
export async function sendDatagrams(
  program: string,
  node: LabNode,
  to: UdpEndpoint,
  datagrams: readonly Uint8Array[],
  from?: UdpEndpoint,
): Promise<readonly Uint8Array[]> {
  const input = datagrams.map((datagram) => `${Buffer.from(datagram).toString('hex')}\n`).join('');
  const source = from === undefined ? [] : ['--local', from.address, '--local-port', `${from.port}`];
  const words = ['--remote', to.address, '--port', `${to.port}`, ...source];
  const output = await node.succeed(['node', program, ...words], { input, timeoutMs: 120_000 });
  const sent = Number(/^sent (\d+)$/m.exec(output)?.[1]);
  if (sent !== datagrams.length) throw new Error(`${sent} of ${datagrams.length} datagrams left ${node.name}`);
  return [...output.matchAll(/^answer ([0-9a-f]*)$/gm)].map(
    (match) => new Uint8Array(Buffer.from(match[1] ?? '', 'hex')),
  );
}
