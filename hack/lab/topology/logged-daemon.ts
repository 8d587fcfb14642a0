import type { Daemon, DaemonEnd } from './daemon.ts';
import type { LabNode } from './lab-node.ts';

/** A program that runs in one node in the background and logs to its output: our agent, or the IKE daemon of others. */
export abstract class LoggedDaemon {
  readonly node: LabNode;
  protected readonly daemon: Daemon;

  protected constructor(node: LabNode, daemon: Daemon) {
    this.node = node;
    this.daemon = daemon;
  }

  get pid(): number {
    return this.daemon.pid;
  }

  /** How it ended, undefined while it runs. */
  get end(): DaemonEnd | undefined {
    return this.daemon.end;
  }

  /** Everything it has logged. */
  log(): string {
    return this.daemon.log();
  }

  /** Waits until it has logged the text; fails at once if it ends before. */
  logged(text: string | RegExp, timeoutMs?: number): Promise<void> {
    return this.daemon.said(text, timeoutMs);
  }

  /** Waits for its end. */
  exited(timeoutMs?: number): Promise<DaemonEnd> {
    return this.daemon.exited(timeoutMs);
  }

  /** Ends it in order (SIGTERM). */
  stop(): Promise<DaemonEnd> {
    return this.daemon.stop();
  }

  /** Ends it as a crash would (SIGKILL): its SAs stay in the kernel, the peer hears nothing. */
  kill(): Promise<DaemonEnd> {
    return this.daemon.kill();
  }
}
