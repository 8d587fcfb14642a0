import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';

import { type Answer, apiErrorOf, unreachable } from './api-error.ts';
import type { Connection } from './connection.ts';

/** A request to the API server. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/nodes` */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
}

/** Asks an API server; knows HTTP and JSON, and no kind of object. */
export class ApiClient {
  readonly #connection: Connection;
  readonly #userAgent: string;

  constructor(connection: Connection, userAgent = 'ikemesh-operator') {
    this.#connection = connection;
    this.#userAgent = userAgent;
  }

  /** `https://10.96.0.1:443` */
  get server(): string {
    return this.#connection.server.origin;
  }

  /** One request and its answer, which is JSON. */
  async ask(request: ApiRequest, signal?: AbortSignal): Promise<Answer<unknown>> {
    const limit = AbortSignal.timeout(ANSWER_WITHIN_MS);
    try {
      const answer = await this.#send(request, signal === undefined ? limit : AbortSignal.any([signal, limit]));
      const text = await textOf(answer);
      const body = parsed(text);
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) return { ok: true, value: body };
      return { ok: false, error: apiErrorOf(status, body, answer.headers['retry-after']) };
    } catch (error) {
      if (limit.aborted) return { ok: false, error: unreachable(`no answer within ${ANSWER_WITHIN_MS / 1_000} s`) };
      return { ok: false, error: unreachable(error) };
    }
  }

  /**
   * One request whose answer is lines of JSON, for as long as they come; calls `line` with each. Ends with an error where
   * the server refuses or nothing was heard for `silenceMs`.
   */
  async stream(
    request: ApiRequest,
    signal: AbortSignal,
    silenceMs: number,
    line: (value: unknown) => void,
  ): Promise<Answer<void>> {
    // Also before the first line: a connection that is lost then would be waited for until TCP gives up.
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      const answer = await this.#send(request, AbortSignal.any([signal, silence.signal]));
      const status = answer.statusCode ?? 0;
      if (status !== 200) {
        return { ok: false, error: apiErrorOf(status, parsed(await textOf(answer)), answer.headers['retry-after']) };
      }
      clearTimeout(timer);
      await readLines(answer, silenceMs, line);
      return { ok: true, value: undefined };
    } catch (error) {
      return { ok: false, error: unreachable(silence.signal.aborted ? silenceText(silenceMs) : error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #send({ method, path, query = {}, body, contentType, accept }: ApiRequest, signal: AbortSignal) {
    const { server } = this.#connection;
    const options = await this.#connection.options();
    const words = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      ...options.headers,
      accept: accept ?? 'application/json',
      'user-agent': this.#userAgent,
      ...(payload && { 'content-type': contentType ?? 'application/json', 'content-length': payload.length }),
    };
    const target: RequestOptions = {
      ...options,
      method,
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      // A kubeconfig may name an API server below a path, as some proxies have it.
      path: `${server.pathname.replace(/\/$/, '')}${path}${words.size === 0 ? '' : `?${words}`}`,
      headers,
      signal,
    };
    return new Promise<IncomingMessage>((resolve, reject) => {
      const sent = (server.protocol === 'https:' ? tlsRequest : plainRequest)(target, resolve);
      sent.on('error', reject);
      sent.end(payload);
    });
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error(`the answer has more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readLines(answer: IncomingMessage, silenceMs: number, line: (value: unknown) => void): Promise<void> {
  let rest: Buffer[] = [];
  let length = 0;
  const silence = setTimeout(() => answer.destroy(new Error(silenceText(silenceMs))), silenceMs);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      silence.refresh();
      let begin = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
        line(JSON.parse(Buffer.concat([...rest, chunk.subarray(begin, end)]).toString('utf8')));
        rest = [];
        length = 0;
        begin = end + 1;
      }
      rest.push(chunk.subarray(begin));
      length += chunk.length - begin;
      if (length > MAX_BODY_BYTES) throw new Error(`a line has more than ${MAX_BODY_BYTES} bytes`);
    }
  } finally {
    clearTimeout(silence);
  }
}

function silenceText(silenceMs: number): string {
  return `nothing was heard for ${silenceMs / 1_000} s`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const NEWLINE = 10;
/** Longer than the API server itself gives a request that is no watch (60 s by default) would only keep us waiting. */
const ANSWER_WITHIN_MS = 30_000;
/** A page of five hundred objects has some megabytes. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
