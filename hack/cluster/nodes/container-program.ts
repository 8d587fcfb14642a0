import { waitUntil } from '../../lab/runner/wait-until.ts';
import type { StreamProgram } from '../../lab/traffic/counted-stream.ts';
import type { CommandOutput, RunningCommand } from './serial-commands.ts';

/**
 * A program in a running container of a node, as `kubectl exec` would start it, but by the node's serial line: it goes on
 * while API server and kubelet are away, and nothing of it is on the wire. It ends with its container, or with its node.
 */
export class ContainerProgram implements StreamProgram {
  readonly #label: string;
  readonly #running: RunningCommand;
  #output = '';
  #end: { readonly code: number | null; readonly signal: null } | undefined;

  /** Starts it in the running container of that name, of which the node must have one. */
  constructor(
    node: { readonly name: string; start(command: readonly string[], output: CommandOutput): RunningCommand },
    container: string,
    label: string,
    command: readonly string[],
  ) {
    this.#label = `${label} in container ${container} on ${node.name}`;
    const take = (piece: Uint8Array) => {
      this.#output += Buffer.from(piece).toString();
    };
    this.#running = node.start(['sh', '-c', ENTER, 'sh', container, ...command], { stdout: take, stderr: take });
    this.#running.code.then(
      (code) => {
        this.#end = { code, signal: null };
      },
      (error: Error) => {
        this.#output += error.message;
        this.#end = { code: null, signal: null };
      },
    );
  }

  /** Everything it has said so far. */
  log(): string {
    return this.#output;
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#running.write(Buffer.from(text));
  }

  /** Waits until it has said the text; fails at once if it ends before. */
  async said(text: string | RegExp, timeoutMs = 20_000): Promise<void> {
    const found = () => (typeof text === 'string' ? this.#output.includes(text) : text.test(this.#output));
    const probe = () => {
      if (found()) return true;
      if (this.#end !== undefined) throw new Error(`${this.#label} ended (code ${this.#end.code})\n${this.#output}`);
      return false;
    };
    await waitUntil(`${this.#label} to say ${text}`, probe, { timeoutMs });
  }

  /** Waits for its end. */
  exited(timeoutMs = 20_000): Promise<{ readonly code: number | null; readonly signal: null }> {
    return waitUntil(`${this.#label} to end`, () => this.#end, { timeoutMs });
  }
}

// What containerd keeps of each container that runs says whose it is; ctr would take seconds on a busy machine. In the file
// system and network of its first process a program is where exec puts it.
const ENTER = `name=$1; shift
for bundle in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*; do
  grep -qF '"io.kubernetes.cri.container-name":"'"$name"'"' "$bundle/config.json" || continue
  exec nsenter --target "$(cat "$bundle/init.pid")" --mount --net -- "$@"
done
echo "no container $name runs" >&2
exit 1`;
