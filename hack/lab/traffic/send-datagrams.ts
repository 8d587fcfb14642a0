import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

// Sends each line of standard input, hexadecimal, as one UDP datagram, run inside a node; a few at a time, so that the
// receiver's buffer takes them all. Standard output has the number sent, and every answer as a hexadecimal line.

const { values } = parseArgs({
  options: {
    remote: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
    local: { type: 'string' },
    'local-port': { type: 'string', default: '0' },
  },
});
const socket = createSocket(values.remote.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (message) => console.log(`answer ${message.toString('hex')}`));
// A refusal by ICMP is the receiver's business.
socket.on('error', () => undefined);

if (values.local !== undefined) {
  socket.bind(Number(values['local-port']), values.local);
  await once(socket, 'listening');
}

const datagrams: Buffer[] = [];
for await (const line of createInterface({ input: process.stdin })) datagrams.push(Buffer.from(line, 'hex'));
let sent = 0;
const sender = setInterval(() => {
  for (const datagram of datagrams.splice(0, batch)) {
    socket.send(datagram, Number(values.port), values.remote);
    sent++;
  }
  if (datagrams.length > 0) return;
  clearInterval(sender);
  setTimeout(() => {
    console.log(`sent ${sent}`);
    process.exit(0);
  }, answerMs);
}, 5);

/** A socket's buffer takes about 200 small datagrams. */
const batch = 20;
/** How long answers to the last datagrams are waited for. */
const answerMs = 100;
