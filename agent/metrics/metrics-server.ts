import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';

import type { ScrapeVerdict } from '../../operator/api/scrape-gate.ts';
import type { Timers } from '../ports.ts';
import type { Log } from '../runtime/log/logger.ts';
import type { Exposition } from './exposition.ts';
import type { ListenAddress } from './listen-address.ts';
import type { ServingCertificate } from './serving-certificate.ts';

/** What a server of metrics is given. */
export interface MetricsServerParts {
  readonly listen: ListenAddress;
  readonly expose: () => Promise<Exposition>;
  /** Folder with tls.crt and tls.key; plain HTTP without. */
  readonly tlsFolder?: string | undefined;
  /** Judges the header `Authorization`; everybody may read without. */
  readonly judge?: ((authorization: string | undefined, path: string) => Promise<ScrapeVerdict>) | undefined;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Answers `GET /metrics`. Where it cannot listen it tries again for as long as it is there: while an agent is replaced the
 * port is that of the one before, and an address may come later than the agent.
 */
export class MetricsServer {
  readonly #parts: MetricsServerParts;
  #server: Server | TlsServer | undefined;
  #certificate: ServingCertificate | undefined;
  #callOffLook: () => void = () => {};
  #answer: Promise<Exposition> | undefined;
  #callOff: () => void = () => {};
  #told: string | undefined;
  #closed = false;

  constructor(parts: MetricsServerParts) {
    this.#parts = parts;
    void this.#listen();
  }

  /** The port that it listens at; undefined before it does. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  close(): void {
    this.#closed = true;
    this.#callOff();
    this.#callOffLook();
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #listen(): Promise<void> {
    const { listen, log, timers } = this.#parts;
    const { address, port } = listen;
    const server = await this.#create();
    try {
      server.listen({ host: address, port });
      await once(server, 'listening');
    } catch (error) {
      const { code = String(error) } = error as NodeJS.ErrnoException;
      if (this.#told !== code) log.warn({ address, port, text: failureText(code, port) }, 'no metrics are served yet');
      this.#told = code;
      if (!this.#closed) this.#callOff = timers.after(RETRY_MS, () => void this.#listen());
      return;
    }
    // Of connections that cannot be accepted; whoever wanted them asks again.
    server.on('error', (error) => log.warn({ text: error.message }, 'metrics are not served at the moment'));
    server.unref();
    this.#server = server;
    this.#look();
    if (this.#closed) this.close();
    else log.info({ address, port: this.port }, 'metrics are served');
  }

  async #create(): Promise<Server | TlsServer> {
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    };
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      // A reader that does not read is not waited for.
      response.setTimeout(ANSWER_TIMEOUT_MS, () => response.destroy());
      const [path] = (request.url ?? '').split('?');
      if (path !== '/metrics') plain(response, 404, 'there is GET /metrics');
      else if (request.method !== 'GET') plain(response, 405, 'there is GET /metrics');
      else void this.#scrape(request, response);
    };
    const { tlsFolder } = this.#parts;
    const handshakeTimeout = REQUEST_TIMEOUT_MS;
    const server =
      tlsFolder === undefined
        ? createServer(limits, answer)
        : // What nobody wants costs no memory.
          (await import('node:https')).createServer({ ...limits, handshakeTimeout }, answer);
    if (tlsFolder !== undefined) {
      const { ServingCertificate } = await import('./serving-certificate.ts');
      this.#certificate ??= new ServingCertificate(tlsFolder);
    }
    server.maxConnections = MAX_CONNECTIONS;
    return server;
  }

  /**
   * Looks for another certificate now and then; one that cannot be used leaves the one before in use. Without any nobody can
   * connect: the agent does not wait for it.
   */
  #look(): void {
    const { timers, log, tlsFolder } = this.#parts;
    if (this.#certificate === undefined || this.#closed) return;
    try {
      const pair = this.#certificate.changed();
      if (pair !== undefined) (this.#server as TlsServer).setSecureContext(pair);
      if (pair !== undefined) log.info({ folder: tlsFolder }, 'a certificate for metrics is in use');
      this.#told = undefined;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#told !== text) log.warn({ folder: tlsFolder, text }, 'a certificate for metrics cannot be used');
      this.#told = text;
    }
    this.#callOffLook = timers.after(LOOK_FOR_CERTIFICATE_MS, () => this.#look());
  }

  async #scrape({ headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const verdict = (await this.#parts.judge?.(headers.authorization, '/metrics')) ?? 'allowed';
      if (verdict !== 'allowed') {
        const [status, refusal] = REFUSALS[verdict];
        if (status === 401) response.setHeader('www-authenticate', 'Bearer');
        return plain(response, status, refusal);
      }
      const { contentType, text } = await this.#current();
      response.writeHead(200, { 'content-type': contentType, connection: 'close' });
      response.end(text);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#parts.log.error({ error: text }, 'defect: the metrics cannot be told');
      plain(response, 500, 'the metrics cannot be told; the log of the agent says why');
    }
  }

  /** Whoever asks within a second gets one answer: nobody keeps the agent busy by asking. */
  #current(): Promise<Exposition> {
    if (this.#answer !== undefined) return this.#answer;
    const answer = this.#parts.expose();
    this.#answer = answer;
    const forget = (): void => {
      this.#parts.timers.after(FRESH_MS, () => {
        this.#answer = undefined;
      });
    };
    answer.then(forget, forget);
    return answer;
  }
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${text}\n`);
}

function failureText(code: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `TCP port ${port} is taken, by the agent before this one or by another program: it is tried again until it is free`;
    case 'EADDRNOTAVAIL':
      return 'it is no address of this host: it is tried again until it is';
    case 'EACCES':
      return 'the port may not be opened: choose one above 1023';
    default:
      return `${code}: it is tried again`;
  }
}

const REFUSALS = {
  unauthenticated: [401, 'a bearer token of the cluster is needed'],
  forbidden: [403, 'whoever has this token may not get /metrics: bind it to a ClusterRole with that nonResourceURL'],
  unknown: [503, 'the API server does not say who this is'],
} as const;
/** Two Prometheus servers and some people. */
const MAX_CONNECTIONS = 16;
const MAX_HEADER_BYTES = 8_192;
const REQUEST_TIMEOUT_MS = 5_000;
/** The default of Prometheus' own patience. */
const ANSWER_TIMEOUT_MS = 10_000;
const FRESH_MS = 1_000;
const RETRY_MS = 1_000;
/** kubelet takes a minute to bring another certificate. */
const LOOK_FOR_CERTIFICATE_MS = 10_000;
