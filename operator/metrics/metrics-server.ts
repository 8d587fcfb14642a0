import { createServer, type Server } from 'node:http';

import type { OperatorMetrics } from './operator-metrics.ts';

/** Serves `GET /metrics`, a few connections at a time; rejects where the port cannot be had. */
export function serveMetrics(metrics: OperatorMetrics, port: number, host?: string): Promise<Server> {
  const server = createServer((request, response) => {
    const plain = { 'content-type': 'text/plain; charset=utf-8' };
    if (request.url?.split('?')[0] !== '/metrics') response.writeHead(404, plain).end('there is GET /metrics\n');
    else if (request.method !== 'GET') response.writeHead(405, plain).end('there is GET /metrics\n');
    else {
      metrics.expose().then(
        (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        (error: unknown) => response.writeHead(500, plain).end(`the metrics cannot be told: ${String(error)}\n`),
      );
    }
  });
  server.headersTimeout = PATIENCE_MS;
  server.requestTimeout = PATIENCE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

const PATIENCE_MS = 5_000;
const MAX_CONNECTIONS = 16;
