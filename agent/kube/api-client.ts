import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { isIP } from 'node:net';

import { err, ok, type Result } from '../result.ts';
import { type ApiFailure, refused, unanswered } from './api-failure.ts';
import type { ApiServer, TokenSource } from './cluster-access.ts';
import {
  KEEPALIVE_MS,
  LONGEST_RETRY_AFTER_MS,
  MAX_OBJECT_BYTES,
  MAX_RESPONSE_BYTES,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';

/** What to ask the API server. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/**
 * Speaks to the API server: JSON over HTTPS with a token, every answer bounded in bytes and time. By node:https, which
 * leaves an idle agent some 20 MB smaller than fetch does.
 */
export class ApiClient {
  readonly #server: ApiServer;
  readonly #token: TokenSource;
  readonly #connections = new Agent({
    keepAlive: true,
    maxSockets: 32,
    scheduling: 'lifo',
    timeout: REQUEST_TIMEOUT_MS,
  });

  constructor(server: ApiServer, token: TokenSource) {
    this.#server = server;
    this.#token = token;
  }

  /** Asks once and reads the answer. */
  async ask(asked: ApiRequest): Promise<Result<unknown, ApiFailure>> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const answer = await this.#send(asked, signal, REQUEST_TIMEOUT_MS);
    if (!answer.ok) return answer;
    const text = await readText(answer.value, asked, MAX_RESPONSE_BYTES);
    if (!text.ok) return text;
    try {
      return ok(JSON.parse(text.value));
    } catch {
      return err(unanswered(`${describe(asked)}: the answer is no JSON`));
    }
  }

  /**
   * Receives one JSON object a line until the server ends it, which is no failure, or the signal does, or nothing has
   * come for `silenceMs`.
   */
  async stream(
    path: string,
    onObject: (object: unknown) => void,
    signal: AbortSignal,
    silenceMs: number,
  ): Promise<Result<void, ApiFailure>> {
    const asked: ApiRequest = { method: 'GET', path };
    const answer = await this.#send(asked, signal, silenceMs);
    return answer.ok ? readLines(answer.value, asked, onObject) : answer;
  }

  /** Lets go of all connections. */
  close(): void {
    this.#connections.destroy();
  }

  async #send(asked: ApiRequest, signal: AbortSignal, silenceMs: number): Promise<Result<IncomingMessage, ApiFailure>> {
    const [authority, token] = [await this.#server.authority(), await this.#token()];
    if (!authority.ok) return err(unanswered(authority.error));
    if (!token.ok) return err(unanswered(token.error));
    const answer = await this.#open(asked, authority.value, token.value, signal, silenceMs);
    if (!answer.ok) return answer;
    const { statusCode: status = 0, headers } = answer.value;
    if (status >= 200 && status < 300) return answer;
    const body = await readText(answer.value, asked, MAX_OBJECT_BYTES);
    const seconds = Number(headers['retry-after'] ?? 0);
    const retryAfterMs = seconds > 0 ? Math.min(seconds * 1_000, LONGEST_RETRY_AFTER_MS) : 0;
    return err(refused(describe(asked), status, body.ok ? body.value : '', retryAfterMs));
  }

  #open(
    asked: ApiRequest,
    authority: string,
    token: string,
    signal: AbortSignal,
    silenceMs: number,
  ): Promise<Result<IncomingMessage, ApiFailure>> {
    const { method, path, body, contentType = 'application/json' } = asked;
    const { host, port } = this.#server;
    const content = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve) => {
      const headers = {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        'user-agent': 'ikemesh-agent',
        ...(content === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(content) }),
      };
      const fail = (error: unknown): void =>
        resolve(err(unanswered(`${describe(asked)}: ${connectionText(error, this.#server)}`)));
      const sent = request(
        {
          host,
          port,
          path,
          method,
          headers,
          ca: authority,
          agent: this.#connections,
          signal,
          ...(isIP(host) === 0 ? { servername: host } : {}),
        },
        (answer) => resolve(ok(answer)),
      );
      sent.on('error', fail);
      sent.on('socket', (socket) => socket.setKeepAlive(true, KEEPALIVE_MS));
      sent.setTimeout(silenceMs, () => sent.destroy(new Error(`nothing came for ${silenceMs / 1_000} s`)));
      sent.end(content);
    });
  }
}

/** All that comes, up to a bound. */
async function readText(answer: IncomingMessage, asked: ApiRequest, most: number): Promise<Result<string, ApiFailure>> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > most) {
        answer.destroy();
        return err(unanswered(`${describe(asked)}: the answer has more than ${most} bytes`));
      }
      pieces.push(piece);
    }
  } catch (error) {
    return err(unanswered(`${describe(asked)}: the answer broke off: ${errorText(error)}`));
  }
  return ok(Buffer.concat(pieces).toString('utf8'));
}

/** One object a line; a line that does not end is given up before it fills the memory. */
async function readLines(
  answer: IncomingMessage,
  asked: ApiRequest,
  onObject: (object: unknown) => void,
): Promise<Result<void, ApiFailure>> {
  let begun: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, from)) {
        begun.push(piece.subarray(from, end));
        from = end + 1;
        const line = Buffer.concat(begun).toString('utf8');
        begun = [];
        length = 0;
        onObject(JSON.parse(line));
      }
      begun.push(piece.subarray(from));
      length += piece.length - from;
      if (length > MAX_OBJECT_BYTES) {
        answer.destroy();
        return err(unanswered(`${describe(asked)}: an object has more than ${MAX_OBJECT_BYTES} bytes`));
      }
    }
  } catch (error) {
    answer.destroy();
    if (error instanceof SyntaxError) return err(unanswered(`${describe(asked)}: a line is no JSON`));
    return err(unanswered(`${describe(asked)}: the watch broke off: ${errorText(error)}`));
  }
  return ok(undefined);
}

/** `GET /api/v1/…` without the query, which says nothing to people. */
function describe({ method, path }: ApiRequest): string {
  return `${method} ${path.split('?')[0]}`;
}

/** Why there is no connection, and what to do. */
function connectionText(error: unknown, { host, port }: ApiServer): string {
  const code = String((error as { readonly code?: unknown }).code ?? '');
  if (UNTRUSTED.has(code)) {
    return `the certificate of the API server at ${host}:${port} is not of the authority that the pod was given (${code})`;
  }
  if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH') {
    return `the API server at ${host}:${port} cannot be reached (${code})`;
  }
  return `${host}:${port}: ${errorText(error)}`;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const NEWLINE = 0x0a;
const UNTRUSTED: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);
