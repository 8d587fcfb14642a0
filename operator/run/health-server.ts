import { createServer, type Server } from 'node:http';

/** What the probes of the Deployment are answered. */
export interface Health {
  /** Why it cannot work, or undefined. */
  readonly unready: string | undefined;
  readonly leads: boolean;
}

/** Serves `/healthz` (the program runs) and `/readyz` (it knows what it needs, as the leader or in reserve). */
export function serveHealth(health: Health, port: number, host?: string): Promise<Server> {
  const server = createServer((request, response) => {
    const [status, text] = answerOf(health, request.url ?? '');
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
  });
  server.headersTimeout = PATIENCE_MS;
  server.requestTimeout = PATIENCE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function answerOf({ unready, leads }: Health, path: string): readonly [number, string] {
  if (path === '/healthz') return [200, 'ok'];
  if (path !== '/readyz') return [404, 'there are /healthz and /readyz'];
  return unready === undefined ? [200, leads ? 'ok, leading' : 'ok, in reserve'] : [503, unready];
}

const PATIENCE_MS = 5_000;
const MAX_CONNECTIONS = 64;
