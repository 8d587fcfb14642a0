import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';

import type { ScrapeVerdict } from '../api/scrape-gate.ts';
import type { OperatorMetrics } from './operator-metrics.ts';
import { LOOK_FOR_CERTIFICATE_MS, ServingCertificate } from './serving-certificate.ts';

/** Where metrics are served, and to whom. */
export interface MetricsAccess {
  readonly port: number;
  readonly host?: string;
  /** Folder with tls.crt and tls.key; plain HTTP without. */
  readonly tlsFolder?: string | undefined;
  /** Judges the header `Authorization`; everybody may read without. */
  readonly judge?: ((authorization: string | undefined, path: string) => Promise<ScrapeVerdict>) | undefined;
  /** Told what is wrong with a certificate; the one before stays in use, if there is one. */
  readonly onFault?: (text: string) => void;
}

/**
 * Serves `GET /metrics`, a few connections at a time; rejects where the port cannot be had. Without its certificate nobody can
 * connect until it is there: the operator does not wait for it.
 */
export async function serveMetrics(metrics: OperatorMetrics, access: MetricsAccess): Promise<Server | TlsServer> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.split('?')[0] !== '/metrics') plain(response, 404, 'there is GET /metrics');
    else if (request.method !== 'GET') plain(response, 405, 'there is GET /metrics');
    else
      void expose(metrics, access, request, response).catch((error: unknown) =>
        plain(response, 500, `the metrics cannot be told: ${String(error)}`),
      );
  };
  const server = access.tlsFolder === undefined ? createServer(answer) : tlsServer(access.tlsFolder, access, answer);
  server.headersTimeout = PATIENCE_MS;
  server.requestTimeout = PATIENCE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(access.port, access.host, () => resolve(server));
  });
}

async function expose(
  metrics: OperatorMetrics,
  { judge }: MetricsAccess,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const verdict = judge === undefined ? 'allowed' : await judge(request.headers.authorization, '/metrics');
  if (verdict !== 'allowed') {
    const [status, text] = REFUSALS[verdict];
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    return plain(response, status, text);
  }
  const text = await metrics.expose();
  response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
}

function tlsServer(
  folder: string,
  { onFault }: MetricsAccess,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): TlsServer {
  const certificate = new ServingCertificate(folder);
  const server = createTlsServer({ handshakeTimeout: PATIENCE_MS }, answer);
  const take = (): void => {
    try {
      const pair = certificate.changed();
      if (pair !== undefined) server.setSecureContext(pair);
    } catch (error) {
      onFault?.(error instanceof Error ? error.message : String(error));
    }
  };
  take();
  const look = setInterval(take, LOOK_FOR_CERTIFICATE_MS);
  look.unref();
  server.on('close', () => clearInterval(look));
  return server;
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

const REFUSALS = {
  unauthenticated: [401, 'a bearer token of the cluster is needed'],
  forbidden: [403, 'whoever has this token may not get /metrics: bind it to a ClusterRole with that nonResourceURL'],
  unknown: [503, 'the API server does not say who this is'],
} as const;
const PATIENCE_MS = 5_000;
const MAX_CONNECTIONS = 16;
