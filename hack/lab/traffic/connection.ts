import type { StreamEnd } from './counted-stream.ts';

/** What became of a connection. */
export interface ConnectionReport {
  /** Lines that were sent, and those of them that came back. */
  readonly sent: number;
  readonly echoed: number;
  /** Why it ended before its time. */
  readonly ended?: string;
}

/** A TCP connection on which numbered lines are echoed until it is closed. */
export interface KeptConnection {
  /**
   * What became of it. What is under way may have to be repeated, which TCP does after ever longer times: after an outage it
   * may take as long as that again.
   */
  close(outageMs?: number): Promise<ConnectionReport>;
}

export interface ConnectionOptions {
  readonly client: StreamEnd;
  readonly server: StreamEnd;
  readonly port: number;
}

/** Opens a TCP connection by the bundled kept-connection.ts at both ends. */
export async function connectAndKeep(program: string, options: ConnectionOptions): Promise<KeptConnection> {
  const { client, server, port } = options;
  const command = (...words: readonly string[]) => ['node', program, ...words, '--port', `${port}`];
  const listening = server.node.spawn(`tcp-${port}`, command('--listen', server.address));
  await listening.said(/^listening$/m);
  const connected = client.node.spawn(`tcp-${port}`, command('--connect', server.address, '--local', client.address));
  await connected.said(/^ready$/m);
  return {
    close: async (outageMs = 0) => {
      const patienceMs = REPETITION_MS + outageMs;
      connected.write(`report ${patienceMs}\n`);
      await connected.said(REPORT, patienceMs + ANSWER_MS);
      return JSON.parse(REPORT.exec(connected.log())?.[1] ?? 'null') as ConnectionReport;
    },
  };
}

const REPORT = /^report (.*)$/m;
const REPETITION_MS = 5_000;
const ANSWER_MS = 15_000;
