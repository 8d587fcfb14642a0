import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

// One end of a TCP connection that is to be kept, run inside a node. The server echoes and says "listening". The client says
// "ready" when it is connected, sends a numbered line every 50 ms, and says at "report MS" how many came back, for the last of
// which it waits so long at most.

const { values } = parseArgs({
  options: {
    listen: { type: 'string' },
    connect: { type: 'string' },
    local: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
  },
});
const port = Number(values.port);

if (values.listen === undefined) keepConnection(values.connect ?? '');
else serve(values.listen);

function serve(address: string): void {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => process.exit(0));
    socket.pipe(socket);
  });
  server.listen(port, address, () => console.log('listening'));
}

function keepConnection(address: string): void {
  let [sent, echoed] = [0, 0];
  let ended: string | undefined;
  const socket = connect({ host: address, port, localAddress: values.local }, () => console.log('ready'));
  socket.setNoDelay(true);
  socket.on('error', ({ message }) => {
    ended = message;
  });
  socket.on('close', () => {
    ended ??= 'closed by the other end';
  });
  createInterface({ input: socket }).on('line', (line) => {
    if (line === `${echoed}`) echoed++;
    else ended ??= `line ${echoed} came back as ${line}`;
  });
  const timer = setInterval(() => {
    if (ended === undefined && !socket.connecting) socket.write(`${sent++}\n`);
  }, 50);
  createInterface({ input: process.stdin }).on('line', (order) => {
    clearInterval(timer);
    const until = performance.now() + Number(order.split(' ')[1]);
    const last = setInterval(() => {
      if (ended === undefined && echoed < sent && performance.now() < until) return;
      clearInterval(last);
      console.log(`report ${JSON.stringify({ sent, echoed, ...(ended === undefined ? {} : { ended }) })}`);
      socket.destroy();
      process.exit(0);
    }, 20);
  });
}
