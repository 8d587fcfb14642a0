import { PassThrough } from 'node:stream';

import { Exec } from '@kubernetes/client-node';

import { type Answer, apiErrorOf, unreachable } from './api-error.ts';
import type { ChosenConnection } from './connection.ts';

/** A container of a Pod. */
export interface ExecTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** What a command printed, and how it ended. */
export interface ExecOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in a container, as `kubectl exec` does; an error where it did not come to run or to an end in time. */
export async function execInPod(
  connection: ChosenConnection,
  { namespace, pod, container }: ExecTarget,
  command: readonly string[],
  timeoutMs: number,
): Promise<Answer<ExecOutcome>> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const headers = (await connection.options().catch(() => undefined))?.headers as Record<string, string> | undefined;
  const exec = new Exec(withHeaders(connection, headers));
  return new Promise((resolve) => {
    let socket: { close(): void } | undefined;
    let settled = false;
    const settle = (answer: Answer<ExecOutcome>): void => {
      if (settled) return;
      settled = true;
      clearTimeout(limit);
      socket?.close();
      resolve(answer);
    };
    const fail = (error: unknown): void => settle({ ok: false, error: refusalOf(error) });
    const limit = setTimeout(() => fail(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
    const ended = (status: ExecStatus): void => {
      const code = exitCodeOf(status);
      if (code === undefined) fail(new Error(status.message ?? 'the command did not run'));
      else if (stdout.isTooLong) fail(new Error(`it printed more than ${MAX_OUTPUT_BYTES} bytes`));
      else settle({ ok: true, value: { code, stdout: stdout.text, stderr: stderr.text } });
    };
    exec
      .exec(namespace, pod, container, [...command], stdout.stream, stderr.stream, null, false, ended as never)
      .then((opened) => {
        socket = opened;
        opened.onclose = ({ reason }: { readonly reason: string }) => fail(new Error(reason || 'the connection ended'));
        if (settled) opened.close();
      })
      .catch(fail);
  });
}

/** client-node's web socket knows nothing of whom we act as. */
function withHeaders({ config }: ChosenConnection, headers: Readonly<Record<string, string>> | undefined) {
  if (headers === undefined) return config;
  const made = Object.create(config) as typeof config;
  made.applyToHTTPSOptions = async (options) => {
    await config.applyToHTTPSOptions(options);
    options.headers = { ...options.headers, ...headers };
  };
  return made;
}

/** What a command prints, as far as it is taken in. */
class Collected {
  readonly stream = new PassThrough();
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor() {
    this.stream.on('data', (chunk: Buffer) => {
      this.#length += chunk.length;
      if (!this.isTooLong) this.#chunks.push(chunk);
    });
  }

  get isTooLong(): boolean {
    return this.#length > MAX_OUTPUT_BYTES;
  }

  get text(): string {
    // What was written a moment ago is still in the stream.
    for (let chunk = this.stream.read() as Buffer | null; chunk !== null; chunk = this.stream.read() as Buffer | null)
      this.#chunks.push(chunk);
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

interface ExecStatus {
  readonly status?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/** Undefined where the command did not run at all. */
function exitCodeOf({ status, details }: ExecStatus): number | undefined {
  if (status === 'Success') return 0;
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  return code === undefined ? undefined : Number(code);
}

/** `ws` tells the answer to its handshake in a sentence only. */
function refusalOf(error: unknown) {
  const { error: inner, message } = error as { readonly error?: Error; readonly message?: string };
  const text = inner?.message ?? message ?? String(error);
  const [, status] = /Unexpected server response: (\d{3})/.exec(text) ?? [];
  if (status === undefined) return unreachable(new Error(text));
  const refused = apiErrorOf(Number(status), text);
  return Number(status) === 403 ? { ...refused, reason: 'Forbidden', message: 'not allowed' } : refused;
}

/** The status of an agent with 10,000 peers has some 15 MB. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
