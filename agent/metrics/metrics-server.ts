import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { isIP } from 'node:net';

import type { ScrapeVerdict } from '../../operator/api/scrape-gate.ts';
import type { PageAnswer } from '../page/status-page.ts';
import type { Timers } from '../ports.ts';
import type { Log } from '../runtime/log/logger.ts';
import type { Exposition } from './exposition.ts';
import type { ListenAddress } from './listen-address.ts';
import type { ServingCertificate } from './serving-certificate.ts';

/** What a server of metrics is given. */
export interface MetricsServerParts {
  readonly listen: ListenAddress;
  readonly expose: () => Promise<Exposition>;
  /** Answers GET of whatever is below `/status`; left out where there is no status page. */
  readonly page?: ((url: string) => PageAnswer) | undefined;
  /** Folder with tls.crt and tls.key; plain HTTP without. */
  readonly tlsFolder?: string | undefined;
  /** Judges the header `Authorization`; everybody may read without. */
  readonly judge?: ((authorization: string | undefined, path: string) => Promise<ScrapeVerdict>) | undefined;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Answers `GET /metrics`, and where there is a status page `GET /status/`. Where it cannot listen it tries again for as long
 * as it is there: while an agent is replaced the port is that of the one before, and an address may come later than the agent.
 */
export class MetricsServer {
  readonly #parts: MetricsServerParts;
  #server: Server | TlsServer | undefined;
  #certificate: ServingCertificate | undefined;
  #callOffLook: () => void = () => {};
  #answer: Promise<Exposition> | undefined;
  #pageRequests = 0;
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
      const [path = ''] = (request.url ?? '').split('?');
      const isPage = page !== undefined && /^[/]status([/]|$)/.test(path);
      if (path !== '/metrics' && !isPage) plain(response, 404, 'there is GET /metrics');
      else if (request.method !== 'GET') plain(response, 405, `there is GET ${path}`);
      else if (isPage) void this.#show(request, response, page);
      else void this.#scrape(request, response);
    };
    const { tlsFolder, page } = this.#parts;
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

  async #scrape(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (!(await this.#admit(request, response, '/metrics'))) return;
      const { contentType, text } = await this.#current();
      response.writeHead(200, { 'content-type': contentType, connection: 'close' });
      response.end(text);
    } catch (error) {
      this.#defect(response, error, 'metrics');
    }
  }

  /** Few at a time: whoever looks at the page leaves Prometheus its connections. */
  async #show(request: IncomingMessage, response: ServerResponse, page: (url: string) => PageAnswer): Promise<void> {
    if (this.#pageRequests >= MAX_PAGE_REQUESTS) return plain(response, 503, 'too many look at this page: ask again');
    this.#pageRequests += 1;
    response.on('close', () => {
      this.#pageRequests -= 1;
    });
    try {
      if (!(await this.#admit(request, response, '/status'))) return;
      const { status, headers, body } = page(request.url ?? '');
      response.writeHead(status, { ...headers, connection: 'close' }).end(body);
    } catch (error) {
      this.#defect(response, error, 'status page');
    }
  }

  /** Whether a request may be answered; otherwise it has been told why not. `path` is what RBAC must let be got. */
  async #admit({ headers }: IncomingMessage, response: ServerResponse, path: GuardedPath): Promise<boolean> {
    const { judge, tlsFolder } = this.#parts;
    if (judge === undefined) {
      if (path === '/metrics' || tlsFolder !== undefined || isAskedByAddress(headers.host)) return true;
      plain(response, 403, 'ask by the address of the node, as in http://10.0.0.1:9917/status/');
      return false;
    }
    const verdict = await judge(bearerOf(headers.authorization), path);
    if (verdict === 'allowed') return true;
    const [status, refusal] = REFUSALS[verdict];
    if (status === 401) response.setHeader('www-authenticate', CHALLENGES[path]);
    plain(response, status, refusal(path));
    return false;
  }

  #defect(response: ServerResponse, error: unknown, what: string): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#parts.log.error({ error: text }, `defect: the ${what} cannot be told`);
    plain(response, 500, `the ${what} cannot be told; the log of the agent says why`);
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

/** Browsers ask for a name and a password, of which the password is the token. */
function bearerOf(authorization: string | undefined): string | undefined {
  const [, basic] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? [];
  if (basic === undefined) return authorization;
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(basic, 'base64').toString('latin1')) ?? [];
  return `Bearer ${password.trim()}`;
}

/**
 * Without authentication a page of somebody else, under a name that is made to lead here, could read what this one may (DNS
 * rebinding). By TLS its name would have to be in our certificate, and an address is no name.
 */
function isAskedByAddress(host = ''): boolean {
  const [, name = ''] = /^(.*?)(?::[0-9]{1,5})?$/.exec(host) ?? [];
  return name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
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

type GuardedPath = '/metrics' | '/status';

const REFUSALS = {
  unauthenticated: [401, () => 'a bearer token of the cluster is needed'],
  forbidden: [
    403,
    (path: GuardedPath) =>
      `whoever has this token may not get ${path}: bind it to a ClusterRole with that nonResourceURL`,
  ],
  unknown: [503, () => 'the API server does not say who this is'],
} as const;
const CHALLENGES = {
  '/metrics': 'Bearer',
  '/status': 'Basic realm="ikemesh: any name, and a token of the cluster as password", charset="UTF-8"',
} as const;
/** Two Prometheus servers and some people. */
const MAX_CONNECTIONS = 16;
/** A browser has six connections to a server. */
const MAX_PAGE_REQUESTS = 8;
const MAX_HEADER_BYTES = 8_192;
const REQUEST_TIMEOUT_MS = 5_000;
/** The default of Prometheus' own patience. */
const ANSWER_TIMEOUT_MS = 10_000;
const FRESH_MS = 1_000;
const RETRY_MS = 1_000;
/** kubelet takes a minute to bring another certificate. */
const LOOK_FOR_CERTIFICATE_MS = 10_000;
