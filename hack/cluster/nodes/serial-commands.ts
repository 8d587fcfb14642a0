import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';

import type { Completed, RunOptions } from '../../lab/topology/completed.ts';

/** Where pieces of a command's output go. */
export interface CommandOutput {
  readonly stdout: (piece: Uint8Array) => void;
  readonly stderr: (piece: Uint8Array) => void;
}

/** A command that runs on a node. */
export interface RunningCommand {
  /** Its exit code, as a shell gives it; rejects when the node ends before the command does. */
  readonly code: Promise<number>;
  write(piece: Uint8Array): void;
  /** Ends its standard input. */
  closeInput(): void;
  /** Signals its whole session's process group. */
  signal(number: number): void;
}

interface Reply {
  readonly id: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
}

interface Pending {
  readonly output: CommandOutput;
  readonly resolve: (code: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Commands on a node by its serial line, whose other end is modules/node/node-commands: beside the network, so that none
 * of it is on the wire, and it works whatever the node's policies block.
 */
export class SerialCommands {
  readonly #line: Duplex;
  readonly #pending = new Map<number, Pending>();
  readonly #name: string;
  /** Settled when the node listens. */
  readonly ready: Promise<void>;
  #lastId = 0;
  #closed = false;

  /** `name` is the node's, for messages. */
  constructor(line: Duplex, name: string) {
    this.#line = line;
    this.#name = name;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Whoever waits for it is told; nobody has to.
    promise.catch(() => undefined);
    line.on('error', () => undefined);
    const lines = createInterface({ input: line });
    // It passes the line's errors on; its end says all.
    lines.on('error', () => undefined);
    lines.on('line', (text) => {
      const reply = parseReply(text);
      if (reply?.id === 0) {
        resolve();
        this.#failAll(new Error(`the line to ${name} was lost, and what ran over it`));
      } else if (reply !== undefined) this.#receive(reply);
    });
    const end = () => {
      this.#closed = true;
      const gone = new Error(`the node ${name} has ended`);
      reject(gone);
      this.#failAll(gone);
    };
    line.on('end', end);
    line.on('close', end);
  }

  /** Starts a command. */
  start(command: readonly string[], output: CommandOutput): RunningCommand {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#closed) reject(new Error(`the node ${this.#name} has ended`));
    else {
      this.#pending.set(id, { output, resolve, reject });
      this.#send({ id, run: command });
    }
    return {
      code: promise,
      write: (piece) => {
        for (let at = 0; at < piece.length; at += pieceBytes) {
          this.#send({ id, input: Buffer.from(piece.subarray(at, at + pieceBytes)).toString('base64') });
        }
      },
      closeInput: () => this.#send({ id, close: true }),
      signal: (number) => this.#send({ id, signal: number }),
    };
  }

  /** Runs a command to its end; a failure is a code. */
  async run(command: readonly string[], options: RunOptions = {}): Promise<Completed> {
    const pieces: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
    const environment = Object.entries(options.environment ?? {}).map(([name, value]) => `${name}=${value}`);
    const words = environment.length === 0 ? command : ['env', ...environment, ...command];
    const running = this.start(words, {
      stdout: (piece) => pieces.stdout.push(piece),
      stderr: (piece) => pieces.stderr.push(piece),
    });
    if (options.input !== undefined) running.write(Buffer.from(options.input));
    running.closeInput();
    const timer = setTimeout(() => running.signal(SIGKILL), options.timeoutMs ?? 30_000);
    const code = await running.code.finally(() => clearTimeout(timer));
    const text = (name: 'stdout' | 'stderr') => Buffer.concat(pieces[name]).toString();
    return { code, stdout: text('stdout'), stderr: text('stderr') };
  }

  #failAll(reason: Error): void {
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  #receive({ id, stdout, stderr, code }: Reply): void {
    const command = this.#pending.get(id);
    if (command === undefined) return;
    if (stdout !== undefined) command.output.stdout(Buffer.from(stdout, 'base64'));
    if (stderr !== undefined) command.output.stderr(Buffer.from(stderr, 'base64'));
    if (code === undefined) return;
    this.#pending.delete(id);
    command.resolve(code);
  }

  #send(request: Readonly<Record<string, unknown>>): void {
    if (!this.#closed) this.#line.write(`${JSON.stringify(request)}\n`);
  }
}

/** The first process may say something on the line before the commands' one does. */
function parseReply(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply;
  } catch {
    return undefined;
  }
}

const pieceBytes = 32 << 10;
const SIGKILL = 9;
