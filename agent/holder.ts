import { parseArgs } from 'node:util';
import { goOnWithoutReaders } from './closed-readers.ts';
import { ChildAgent } from './holder/child-agent.ts';
import { HeldSockets } from './holder/held-sockets.ts';
import { HolderServer } from './holder/holder-server.ts';
import { Keepalives } from './holder/keepalives.ts';
import { takeOver } from './holder/predecessor.ts';

goOnWithoutReaders();

const DEFAULT_SOCKET = '/run/ikemesh/holder.sock';
const USAGE_EXIT_CODE = 2;
const HOST_EXIT_CODE = 3;
const LOOK_MS = 5_000;
const USAGE = `Usage: holder [--socket PATH] [-- COMMAND...]

Keeps the sockets of UDP port 4500 open while no agent runs: the kernel takes ESP out of UDP only as long as somebody has
them. An agent gives it its sockets and takes them back at its next start (agent --holder PATH).

  --socket PATH   Unix socket at which agents ask (default ${DEFAULT_SOCKET}). A holder that answers there
                  already gives its sockets to this one.
  COMMAND         an agent that is run as its child: started again when it crashes, ended with the holder

Signals:
  SIGTERM, SIGINT   end, after the COMMAND
  SIGHUP            passed on to the COMMAND
  SIGUSR2           start the COMMAND anew, as after an update of its program
`;

process.exitCode = main(process.argv.slice(2));

function main(words: readonly string[]): number {
  const read = readWords(words);
  if (read === undefined) return USAGE_EXIT_CODE;
  const { path, command, help } = read;
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const sockets = new HeldSockets();
  const taken = takeOver(path, sockets);
  if (taken.ok) log(`took over ${taken.value} sockets from the holder before this one`);
  const keepalives = new Keepalives(sockets);
  const monotonicMs = (): number => performance.now();
  const server = HolderServer.listen({ path, sockets, keepalives, monotonicMs, uid: process.getuid?.() ?? 0, log });
  if (!server.ok) {
    log(server.error);
    return HOST_EXIT_CODE;
  }
  log(`holding sockets for whoever asks at ${path}`);
  setInterval(() => keepalives.send(monotonicMs(), server.value.isAgentThere), LOOK_MS);
  runChild(command);
  return 0;
}

function runChild([program, ...words]: readonly string[]): void {
  const end = (code: number): never => process.exit(code);
  const child = program === undefined ? undefined : new ChildAgent({ command: [program, ...words], log, onEnd: end });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => (child === undefined ? end(0) : child.end(signal)));
  }
  process.on('SIGHUP', () => child?.signal('SIGHUP'));
  process.on('SIGUSR2', () => child?.restart());
}

function readWords(words: readonly string[]) {
  const split = words.indexOf('--');
  const [own, command] = split < 0 ? [words, []] : [words.slice(0, split), words.slice(split + 1)];
  try {
    const options = {
      socket: { type: 'string', default: DEFAULT_SOCKET },
      help: { type: 'boolean', default: false },
    } as const;
    const { values } = parseArgs({ args: [...own], options });
    return { path: values.socket, help: values.help, command };
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message} (see --help)\n`);
    return undefined;
  }
}

function log(text: string): void {
  process.stderr.write(`holder: ${text}\n`);
}
