import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import type { Lab } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';

/** Megabytes by TCP each way between two ends at these addresses, which arrive whole. */
export async function expectTransfers(
  lab: Lab,
  { a, b }: { readonly a: LabNode; readonly b: LabNode },
  [near, far]: readonly [string, string],
): Promise<void> {
  for (const [server, address, client] of [
    [b, far, a],
    [a, near, b],
  ] as const) {
    lab.step(`${TRANSFER_BYTES} bytes by TCP from ${client.name} to ${server.name}`);
    assert.ok(await transfers(client, server, address, 60_000), 'they do not arrive');
  }
}

/** Whether megabytes by TCP arrive, and within this time; fails where others arrive. */
export async function transfers(
  client: LabNode,
  server: LabNode,
  address: string,
  timeoutMs: number,
): Promise<boolean> {
  const listening = server.spawn('sink', ['node', '--eval', SINK, address]);
  await listening.said(/^listening$/m);
  const sent = await client.run(['node', '--eval', SOURCE, address, `${TRANSFER_BYTES}`], { timeoutMs });
  if (sent.code !== 0) {
    listening.signal('SIGKILL');
    await listening.exited();
    return false;
  }
  await listening.exited();
  const expected = createHash('sha256').update(Buffer.alloc(TRANSFER_BYTES, 0x5a)).digest('hex');
  assert.match(listening.log(), new RegExp(`^${expected}$`, 'm'));
  return true;
}

const TRANSFER_BYTES = 2_000_000;
const SINK = `
const [address] = process.argv.slice(1);
const hash = require('node:crypto').createHash('sha256');
const server = require('node:net').createServer((socket) => {
  socket.on('data', (bytes) => hash.update(bytes));
  socket.on('end', () => { console.log(hash.digest('hex')); socket.end(); server.close(); });
});
server.listen(7300, address, () => console.log('listening'));`;
const SOURCE = `
const [address, bytes] = process.argv.slice(1);
let left = Number(bytes);
const socket = require('node:net').connect(7300, address, () => {
  // Bursts that a capture has room for.
  const timer = setInterval(() => {
    const chunk = Buffer.alloc(Math.min(left, 50_000), 0x5a);
    left -= chunk.length;
    if (chunk.length > 0) return void socket.write(chunk);
    clearInterval(timer);
    socket.end();
  }, 25);
});
socket.on('close', (failed) => { process.exitCode = failed ? 1 : 0; });`;
