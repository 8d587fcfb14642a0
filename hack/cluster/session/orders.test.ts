import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ClusterError } from '../cluster-error.ts';
import type { RunningCommand } from '../nodes/serial-commands.ts';
import { type OrderedCluster, serveOrders } from './order-server.ts';
import { give, type Order } from './orders.ts';

/** Its node says back what it is given, in upper case, and then ends with 7. */
function cluster(done: string[]): OrderedCluster {
  const addresses = ['10.88.0.11', 'fd00:10:88::b'] as const;
  return {
    nodes: new Map([['node-1', { name: 'node-1', isRunning: true, addresses }]]),
    node: (name) => {
      if (name !== 'node-1') throw new ClusterError(`there is no node ${name}; there are: node-1`);
      return {
        start: (command, output): RunningCommand => {
          const { promise, resolve } = Promise.withResolvers<number>();
          return {
            code: promise,
            write: (piece) => output.stdout(Buffer.from(Buffer.from(piece).toString().toUpperCase())),
            closeInput: () => {
              output.stderr(Buffer.from(command.join(' ')));
              resolve(7);
            },
            signal: () => done.push('signal'),
          };
        },
      };
    },
    freeName: () => 'node-2',
    addNode: async (name, { say }) => {
      say?.(`${name} boots`);
      done.push(`add ${name}`);
    },
    removeNode: async (name) => {
      throw new ClusterError(`there is no node ${name}`);
    },
    reboot: async (name, { crash }) => {
      done.push(`reboot ${name} ${crash}`);
    },
    loadImage: async (layout) => {
      done.push(`load ${layout}`);
    },
  };
}

describe('orders to the keeper of a cluster', () => {
  let folder = '';
  let server: Server;
  const done: string[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'orders-'));
    done.length = 0;
    server = await serveOrders(cluster(done), folder);
  });
  afterEach(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  const said: string[] = [];
  const order = async (wanted: Order, input?: string) => {
    const output = { stdout: '', stderr: '' };
    const code = await give({ folder }, wanted, {
      say: (line) => said.push(line),
      ...(input === undefined ? {} : { input: Readable.from(input === '' ? [] : [Buffer.from(input)]) }),
      stdout: (piece) => {
        output.stdout += Buffer.from(piece).toString();
      },
      stderr: (piece) => {
        output.stderr += Buffer.from(piece).toString();
      },
    });
    return { code, ...output };
  };

  it('are carried out, and what is told meanwhile reaches the one who gave them', async () => {
    expect((await order({ kind: 'add-node' })).code).toBe(0);
    await order({ kind: 'reboot-node', name: 'node-1', crash: true });
    await order({ kind: 'load-image', layout: '/image' });
    await order({ kind: 'list-nodes' });
    expect(done).toEqual(['add node-2', 'reboot node-1 true', 'load /image']);
    expect(said).toContain('node-2 boots');
    expect(said).toContain('node-1: running, 10.88.0.11 and fd00:10:88::b');
  });

  it('to run a command give it its input, and give back both outputs and its code', async () => {
    const run = { kind: 'run', name: 'node-1', command: ['tr', 'a-z', 'A-Z'] } as const;
    expect(await order(run, 'hello')).toEqual({ code: 7, stdout: 'HELLO', stderr: 'tr a-z A-Z' });
  });

  it('to run a command reach it also when there is no input, or one that ends at once', async () => {
    const run = { kind: 'run', name: 'node-1', command: ['true'] } as const;
    expect(await order(run)).toMatchObject({ code: 7, stderr: 'true' });
    expect(await order(run, '')).toMatchObject({ code: 7, stderr: 'true' });
  });

  it('that cannot be carried out fail with the reason', async () => {
    await expect(order({ kind: 'remove-node', name: 'x' })).rejects.toThrow('there is no node x');
    const run = { kind: 'run', name: 'y', command: ['true'] } as const;
    await expect(order(run)).rejects.toThrow('there is no node y; there are: node-1');
  });

  it('fail when nobody takes them', async () => {
    server.close();
    await expect(give({ folder: '/nowhere' }, { kind: 'list-nodes' }, { say: () => undefined })).rejects.toThrow(
      /takes no orders/,
    );
  });
});
