import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

import { err, ok, type Result } from '../../result.ts';

/** Answers `GET /status`, and `GET /ready` where there is somebody to ask, on a Unix socket that only its owner may open. */
export class StatusServer {
  readonly #server: Server;
  readonly #path: string;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
  }

  /** Listens at `path`, in place of a socket that nobody answers at. The error is a sentence. */
  static async listen(
    path: string,
    report: () => unknown,
    readiness?: () => unknown,
  ): Promise<Result<StatusServer, string>> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      return err(`the status socket ${path} has a path of more than ${MAX_PATH_BYTES} bytes: choose a shorter one`);
    }
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      if (await isAnswered(path)) return err(`another agent answers at ${path}: stop it, or choose another --socket`);
      unlinkStale(path);
      const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS }, (req, res) =>
        answer(req, res, readiness === undefined ? { '/status': report } : { '/status': report, '/ready': readiness }),
      );
      server.maxConnections = MAX_CONNECTIONS;
      await listenPrivately(server, path);
      server.unref();
      return ok(new StatusServer(server, path));
    } catch (error) {
      return err(`the status socket ${path} cannot be made: ${String((error as Error).message ?? error)}`);
    }
  }

  /** Stops answering and removes the socket. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    unlinkStale(this.#path);
  }
}

function answer(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  reports: Readonly<Record<string, () => unknown>>,
): void {
  const report = method === 'GET' && Object.hasOwn(reports, url) ? reports[url] : undefined;
  const body = report?.() ?? {
    error: `there is ${Object.keys(reports)
      .map((path) => `GET ${path}`)
      .join(' and ')}`,
  };
  response.writeHead(report === undefined ? 404 : 200, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Nobody else can connect between listening and the right mode: until then the socket is in a folder of our own. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  // Beside the socket, where it can be moved from; `join` would take the dot away and make it one folder further up.
  const folder = mkdtempSync(`${dirname(path)}/.`);
  try {
    const hidden = join(folder, 's');
    server.listen(hidden);
    await once(server, 'listening');
    chmodSync(hidden, 0o600);
    renameSync(hidden, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether a process accepts connections at `path`; a socket file outlives the process that made it. */
async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy(new Error('it accepts connections, but slowly')));
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

/** Removes a socket that nobody answers at; anything else at this path is somebody's file. */
function unlinkStale(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) throw new Error('there is a file that is no socket');
  unlinkSync(path);
}

/** sun_path of struct sockaddr_un, without its final zero. */
const MAX_PATH_BYTES = 107;
/** Some people and some scripts at a time. */
const MAX_CONNECTIONS = 16;
const MAX_HEADER_BYTES = 4_096;
const REQUEST_TIMEOUT_MS = 5_000;
