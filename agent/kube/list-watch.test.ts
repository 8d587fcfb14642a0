import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ok } from '../result.ts';
import { ApiClient } from './api-client.ts';
import type { ApiFailure } from './api-failure.ts';
import { MAX_OBJECT_BYTES } from './limits.ts';
import { ListWatch, pauseAfter } from './list-watch.ts';
import { eventOf, FakeApiServer, listOf, type Received } from './testing/fake-api-server.ts';

let server: FakeApiServer;
let client: ApiClient;
let watch: ListWatch;
let told: string[];
let failures: (ApiFailure | undefined)[];
let running: Promise<void>;
let token: string;

beforeEach(async () => {
  server = await FakeApiServer.start();
  token = 'first';
  client = new ApiClient(server.access, async () => ok(token));
  told = [];
  failures = [];
});

afterEach(async () => {
  watch?.stop();
  client.close();
  await running;
  await server.close();
});

function start(): void {
  watch = new ListWatch({
    client,
    path: '/apis/ikemesh.io/v1alpha1/ipsecpeerslices',
    query: { labelSelector: 'ikemesh.io/peering=cluster' },
    random: () => 0,
    onObjects: (objects) => void told.push([...objects.keys()].join()),
    onFailure: (failure) => void failures.push(failure),
  });
  running = watch.run();
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    if (tries > 1_000) throw new Error(`waited in vain; told: ${JSON.stringify(told)}`);
    await sleep(5);
  }
}

function isWatch({ query }: Received): boolean {
  return query.has('watch');
}

describe('a list and watch', () => {
  it('tells all pages as one, then each change, with the token of the moment', async () => {
    let watching: ServerResponse | undefined;
    server.answer = (received, response) => {
      if (isWatch(received)) {
        watching = response;
        response.write(eventOf('BOOKMARK', '', '8'));
      } else if (received.query.get('continue') === 'next') response.end(listOf(['c'], '7'));
      else response.end(listOf(['a', 'b'], '7', 'next'));
    };
    start();
    await until(() => watching !== undefined);
    expect(told).toEqual(['a,b,c']);
    watching?.write(eventOf('ADDED', 'd', '9'));
    watching?.write(eventOf('DELETED', 'a', '10').slice(0, 20));
    await until(() => told.length === 2);
    watching?.write(eventOf('DELETED', 'a', '10').slice(20));
    await until(() => told.length === 3);
    expect(told).toEqual(['a,b,c', 'a,b,c,d', 'b,c,d']);
    token = 'second';
    watching?.end();
    await until(() => server.received.filter(isWatch).length === 2);
    const [first, second] = server.received.filter(isWatch);
    expect(first?.query.get('resourceVersion')).toBe('7');
    expect(first?.query.get('labelSelector')).toBe('ikemesh.io/peering=cluster');
    expect(second?.query.get('resourceVersion')).toBe('10');
    expect(second?.authorization).toBe('Bearer second');
  });

  it('goes on from a bookmark, without a list, when the connection breaks', async () => {
    server.answer = (received, response) => {
      if (!isWatch(received)) response.end(listOf(['a'], '7'));
      else response.write(eventOf('BOOKMARK', '', '90'));
    };
    start();
    await until(() => server.received.filter(isWatch).length === 1);
    // A bookmark shows itself only in the next request, so it must have been read before the connection breaks.
    await sleep(20);
    server.breakConnections();
    await until(() => server.received.filter(isWatch).length === 2);
    expect(server.received.filter(isWatch)[1]?.query.get('resourceVersion')).toBe('90');
    expect(server.received.filter((each) => !isWatch(each))).toHaveLength(1);
    expect(told).toEqual(['a']);
  });

  it('lists again when the server has forgotten the version, be it as an event or as an answer', async () => {
    let lists = 0;
    server.answer = (received, response) => {
      if (!isWatch(received)) {
        lists += 1;
        response.end(listOf([`list-${lists}`], String(lists)));
      } else if (lists === 1) {
        response.write(`${JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old' } })}\n`);
      } else if (lists === 2) {
        response.writeHead(410).end('{}');
      }
    };
    start();
    await until(() => told.length === 3);
    expect(told).toEqual(['list-1', 'list-2', 'list-3']);
    expect(failures).toEqual([]);
  });

  it.each([
    [403, /RBAC does not allow it/],
    [404, /CustomResourceDefinitions/],
    [500, /500 etcd is gone/],
  ])('tells no objects on a %d, but what failed and what to do', async (status, text) => {
    let refuses = false;
    server.answer = (received, response) => {
      if (refuses) response.writeHead(status).end(JSON.stringify({ message: 'etcd is gone' }));
      else if (isWatch(received)) {
        refuses = true;
        response.end();
      } else response.end(listOf(['a'], '7'));
    };
    start();
    await until(() => failures.length > 0);
    expect(failures[0]?.message).toMatch(text);
    expect(told).toEqual(['a']);
    refuses = false;
    await until(() => failures.includes(undefined));
    expect(new Set(told)).toEqual(new Set(['a']));
  });

  it('tells nothing any more once it is stopped, also of a list that was asked for before', async () => {
    let listing: ServerResponse | undefined;
    server.answer = (_, response) => {
      listing = response;
    };
    start();
    await until(() => listing !== undefined);
    watch.stop();
    listing?.end(listOf(['a'], '7'));
    await running;
    expect(told).toEqual([]);
  });

  it('gives up a line that does not end before it fills the memory', async () => {
    server.answer = (received, response) => {
      if (!isWatch(received)) response.end(listOf([], '7'));
      else response.write('x'.repeat(MAX_OBJECT_BYTES + 2));
    };
    start();
    await until(() => failures.length > 0);
    expect(failures[0]?.message).toContain('more than');
  });

  it('does not speak to a server whose certificate is of another authority', async () => {
    const other = await FakeApiServer.start();
    client.close();
    client = new ApiClient({ ...server.access, authority: other.access.authority }, async () => ok(token));
    start();
    await until(() => failures.length > 0);
    expect(failures[0]?.message).toMatch(/is not of the authority that the pod was given/);
    expect(server.received).toEqual([]);
    await other.close();
  });

  it('pauses longer with each failure, up to a bound, and never as long as everybody else', () => {
    expect([1, 2, 3, 6, 100].map((failures) => pauseAfter(failures, 1))).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    expect(pauseAfter(3, 0)).toBe(2_000);
  });
});
