import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { SequenceCounter } from './sequence-counter.ts';

// One end of a counted stream, run inside a node: sends numbered datagrams to its peer and counts the peer's.
// Says "ready", starts at the line "go", rests at "pause" until another "go", stops sending at "stop" and says its
// counts at "report".

const { values } = parseArgs({
  options: {
    local: { type: 'string', default: '' },
    remote: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
    rate: { type: 'string', default: '0' },
    size: { type: 'string', default: '64' },
  },
});
const port = Number(values.port);
const rate = Number(values.rate);
const payload = new Uint8Array(Math.max(8, Number(values.size)));
const received = new SequenceCounter();
const refused: Record<string, number> = {};
let attempted = 0;
let startedAt = 0;
let timer: NodeJS.Timeout | undefined;

const socket = createSocket(values.local.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (message) => {
  if (message.length >= 8) received.add(Number(message.readBigUInt64BE()), performance.now());
});
// An ICMP error reported while nothing is sent; the datagram it speaks of is missing at the other end.
socket.on('error', () => undefined);
socket.bind(port, values.local, () => {
  // Large enough for a pause of the whole machine, as far as the kernel lets us: what it has no room for looks lost.
  socket.setRecvBufferSize(4 * 1024 * 1024);
  // Connected, so that the kernel resolves nothing and answers at once when it refuses a datagram.
  socket.connect(port, values.remote, () => console.log('ready'));
});

/**
 * Sends as many datagrams as are due by the rate; a timer per datagram is too coarse. After a pause of the whole machine
 * many are due, and all at once would not fit into the receiver's buffer.
 */
function sendDue(): void {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * rate);
  for (const end = Math.min(due, attempted + maxBurst); attempted < end; attempted++) {
    const datagram = payload.slice();
    new DataView(datagram.buffer).setBigUint64(0, BigInt(attempted));
    socket.send(datagram, (error) => {
      if (error === null) return;
      const { code = error.message } = error as NodeJS.ErrnoException;
      refused[code] = (refused[code] ?? 0) + 1;
    });
  }
}

/** On a busy machine thousands of datagrams may lie in the socket's buffer: they have arrived, and are read before. */
function reportWhenRead(before: number): void {
  const counts = received.counts();
  if (counts.received === before) {
    console.log(`report ${JSON.stringify(counts)}`);
    process.exit(0);
  }
  // Immediates come behind what the loop reads, as much as it reads at a time.
  setTimeout(() => setImmediate(() => reportWhenRead(counts.received)), QUIET_MS);
}

/** Per timer; ten times the highest rate that scenarios use. */
const maxBurst = 10;
const QUIET_MS = 50;

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'go') {
    // Behind a pause as if what has been sent had just been sent.
    startedAt = performance.now() - (attempted / rate) * 1000;
    clearInterval(timer);
    timer = setInterval(sendDue, 5);
  } else if (line === 'pause') {
    clearInterval(timer);
  } else if (line === 'stop') {
    clearInterval(timer);
    // Behind the callbacks of the last datagrams.
    setImmediate(() => setImmediate(() => console.log(`stopped ${JSON.stringify({ attempted, refused })}`)));
  } else if (line === 'report') {
    reportWhenRead(-1);
  }
});
