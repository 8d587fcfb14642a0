import { connect, type Server, type Socket } from 'node:net';

/** Asks for a listening socket's connections, which are the host's, to be carried to a port in here. */
interface Forward {
  readonly port: number;
  readonly address: string;
}

// The process that holds a network namespace open. Sockets belong to the namespace in which they were made, whoever uses
// them: a listener that it is handed accepts on the host, and what it connects is in here.
process.on('message', ({ port, address }: Forward, listener: unknown) => {
  (listener as Server).on('connection', (outside: Socket) => {
    const inside = connect({ port, host: address });
    // Each end's failure is the other's end.
    outside.on('error', () => inside.destroy());
    inside.on('error', () => outside.destroy());
    outside.on('close', () => inside.destroy());
    inside.on('close', () => outside.destroy());
    for (const socket of [outside, inside]) socket.setNoDelay(true);
    outside.pipe(inside).pipe(outside);
  });
  process.send?.('forwarding');
});
process.on('disconnect', () => process.exit(0));
// Whoever holds the other end decides when this ends, not a terminal.
process.on('SIGINT', () => undefined);
process.send?.('here');
