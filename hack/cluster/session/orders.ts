import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { ClusterError } from '../cluster-error.ts';
import type { Session } from './session.ts';

/** What other commands ask of the process that keeps a cluster: one JSON object, the first line of a connection. */
export type Order =
  | { readonly kind: 'list-nodes' }
  | { readonly kind: 'add-node'; readonly name?: string }
  | { readonly kind: 'remove-node'; readonly name: string }
  | { readonly kind: 'reboot-node'; readonly name: string; readonly crash: boolean }
  | { readonly kind: 'load-image'; readonly layout: string }
  | { readonly kind: 'run'; readonly name: string; readonly command: readonly string[] };

/** What follows an order to run a command: pieces of its standard input, in base64, and its end. */
export type OrderInput = { readonly input: string } | { readonly close: true };

/** What comes back, one JSON object a line; the last one is `done` or `failed`. Output is in base64. */
export type OrderAnswer =
  | { readonly kind: 'said'; readonly line: string }
  | { readonly kind: 'stdout'; readonly piece: string }
  | { readonly kind: 'stderr'; readonly piece: string }
  | { readonly kind: 'done'; readonly code: number }
  | { readonly kind: 'failed'; readonly reason: string };

export interface OrderOptions {
  readonly say: (line: string) => void;
  /** Fed to a command that is run; empty unless given. */
  readonly input?: NodeJS.ReadableStream;
  readonly stdout?: (piece: Uint8Array) => void;
  readonly stderr?: (piece: Uint8Array) => void;
}

/** Where the keeper takes orders. */
export function orderSocket(folder: string): string {
  return join(folder, 'keeper.sock');
}

/**
 * Has the keeper of a session carry out an order, and gives its exit code: 0, or that of a command that was run.
 * @throws ClusterError with the reason when it could not.
 */
export function give({ folder }: Pick<Session, 'folder'>, order: Order, options: OrderOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(orderSocket(folder));
    const send = (message: Order | OrderInput) => socket.write(`${JSON.stringify(message)}\n`);
    // Before the connection stands, so that nothing comes first.
    send(order);
    socket.on('error', (error) => reject(new ClusterError(`the cluster takes no orders: ${error.message}`)));
    socket.on('close', () => reject(new ClusterError('the cluster ended before the order was carried out')));
    options.input?.on('data', (piece: Buffer) => send({ input: piece.toString('base64') }));
    options.input?.on('end', () => send({ close: true }));
    if (options.input === undefined) send({ close: true });
    const lines = createInterface({ input: socket });
    // It passes the socket's errors on, which are dealt with above.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const answer = JSON.parse(line) as OrderAnswer;
      if (answer.kind === 'said') options.say(answer.line);
      else if (answer.kind === 'stdout') options.stdout?.(Buffer.from(answer.piece, 'base64'));
      else if (answer.kind === 'stderr') options.stderr?.(Buffer.from(answer.piece, 'base64'));
      else {
        if (answer.kind === 'done') resolve(answer.code);
        else reject(new ClusterError(answer.reason));
        options.input?.removeAllListeners();
        socket.destroy();
      }
    });
  });
}
