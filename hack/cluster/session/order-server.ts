import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

import { ClusterError } from '../cluster-error.ts';
import type { WaitForNode } from '../nodes/cluster.ts';
import type { ClusterNode } from '../nodes/cluster-node.ts';
import type { RunningCommand } from '../nodes/serial-commands.ts';
import { type Order, type OrderAnswer, type OrderInput, orderSocket } from './orders.ts';

/** A cluster, as far as orders go. */
export interface OrderedCluster {
  readonly nodes: ReadonlyMap<string, Pick<ClusterNode, 'name' | 'isRunning' | 'addresses'>>;
  node(name: string): Pick<ClusterNode, 'start'>;
  freeName(): string;
  addNode(name: string, wait: WaitForNode): Promise<unknown>;
  removeNode(name: string): Promise<void>;
  reboot(name: string, how: WaitForNode & { readonly crash: boolean }): Promise<void>;
  loadImage(layout: string): Promise<void>;
}

/** Takes orders for a cluster over a socket in its folder, several at a time, until closed. */
export async function serveOrders(cluster: OrderedCluster, folder: string): Promise<Server> {
  const server = createServer((socket) => {
    let running: RunningCommand | undefined;
    let order: Order | undefined;
    // Whoever gave it may go away; nothing but a command ends with that.
    socket.on('error', () => undefined);
    socket.on('close', () => running?.signal(SIGHUP));
    const lines = createInterface({ input: socket });
    // It passes the socket's errors on.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      if (order === undefined) {
        order = JSON.parse(line) as Order;
        if (order.kind === 'run') running = startCommand(cluster, order, socket);
        else carryOut(cluster, order, socket);
        return;
      }
      const input = JSON.parse(line) as OrderInput;
      if ('input' in input) running?.write(Buffer.from(input.input, 'base64'));
      else running?.closeInput();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(orderSocket(folder), resolve);
  });
  return server;
}

function carryOut(cluster: OrderedCluster, order: Exclude<Order, { readonly kind: 'run' }>, socket: Socket): void {
  const say = (line: string) => answer(socket, { kind: 'said', line });
  perform(cluster, order, say).then(
    () => answer(socket, { kind: 'done', code: 0 }),
    (error: unknown) => fail(socket, error),
  );
}

async function perform(
  cluster: OrderedCluster,
  order: Exclude<Order, { readonly kind: 'run' }>,
  say: (line: string) => void,
): Promise<void> {
  switch (order.kind) {
    case 'list-nodes':
      for (const node of cluster.nodes.values()) {
        say(`${node.name}: ${node.isRunning ? 'running' : 'switched off'}, ${node.addresses.join(' and ')}`);
      }
      return;
    case 'add-node':
      await cluster.addNode(order.name ?? cluster.freeName(), { say });
      return;
    case 'remove-node':
      await cluster.removeNode(order.name);
      say(`${order.name} is removed, its disk and its Node, too`);
      return;
    case 'reboot-node':
      await cluster.reboot(order.name, { crash: order.crash, say });
      return;
    case 'load-image':
      await cluster.loadImage(order.layout);
      say('every node has the image');
      return;
    default:
      return order satisfies never;
  }
}

function startCommand(
  cluster: OrderedCluster,
  { name, command }: Extract<Order, { readonly kind: 'run' }>,
  socket: Socket,
): RunningCommand | undefined {
  try {
    const running = cluster.node(name).start(command, {
      stdout: (piece) => answer(socket, { kind: 'stdout', piece: Buffer.from(piece).toString('base64') }),
      stderr: (piece) => answer(socket, { kind: 'stderr', piece: Buffer.from(piece).toString('base64') }),
    });
    running.code.then(
      (code) => answer(socket, { kind: 'done', code }),
      (error: unknown) => fail(socket, error),
    );
    return running;
  } catch (error) {
    fail(socket, error);
    return undefined;
  }
}

function fail(socket: Socket, error: unknown): void {
  const reason = error instanceof ClusterError || error instanceof RangeError ? error.message : String(error);
  answer(socket, { kind: 'failed', reason });
}

function answer(socket: Socket, message: OrderAnswer): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}

const SIGHUP = 1;
