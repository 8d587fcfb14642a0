import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import { ip, keyPem, pem, TestAuthority } from '../../pki/testing/authority.ts';
import { ok } from '../../result.ts';
import type { ApiServer } from '../cluster-access.ts';

/** A request as it came. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
}

/** A real HTTPS server on a loopback port that answers as a test says. */
export class FakeApiServer {
  readonly received: Received[] = [];
  /** Answers a request; set by the test. */
  answer: (received: Received, response: ServerResponse) => void = (_, response) => response.end('{}');
  readonly #server: Server;
  readonly #authority: string;

  private constructor(server: Server, authority: string) {
    this.#server = server;
    this.#authority = authority;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? '/', 'https://api');
      const { method = '' } = request;
      const received = {
        method,
        path: url.pathname,
        query: url.searchParams,
        authorization: request.headers.authorization,
      };
      this.received.push(received);
      request.resume();
      request.on('end', () => this.answer(received, response));
    });
  }

  static async start(): Promise<FakeApiServer> {
    const times = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
    const root = TestAuthority.root('Cluster', 'ecdsaP256', times);
    const { der, key } = root.issue({ names: [ip(127, 0, 0, 1)], subject: { CN: 'kube-apiserver' }, ...times });
    const server = createServer({ cert: pem('CERTIFICATE', der), key: keyPem(key) });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeApiServer(server, pem('CERTIFICATE', root.der));
  }

  get access(): ApiServer {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port, authority: async () => ok(this.#authority) };
  }

  /** Breaks every connection, as a server that is restarted does. */
  breakConnections(): void {
    this.#server.closeAllConnections();
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** A list of objects of these names. */
export function listOf(names: readonly string[], resourceVersion: string, next = ''): string {
  return JSON.stringify({
    kind: 'List',
    metadata: { resourceVersion, ...(next === '' ? {} : { continue: next }) },
    items: names.map((name) => ({ metadata: { name, resourceVersion } })),
  });
}

/** A line of a watch. */
export function eventOf(type: string, name: string, resourceVersion: string): string {
  return `${JSON.stringify({ type, object: { metadata: { name, resourceVersion } } })}\n`;
}
