import type { LabNode } from '../topology/lab-node.ts';
import { LoggedDaemon } from '../topology/logged-daemon.ts';

/** A holder of sockets, running in a node. */
export class HolderProcess extends LoggedDaemon {
  /** Starts it; it answers at `socket`, in place of one that does so before. */
  static async start(node: LabNode, program: string, socket: string): Promise<HolderProcess> {
    const holder = new HolderProcess(node, node.spawn('holder', ['node', program, '--socket', socket]));
    await holder.logged('holding sockets');
    return holder;
  }
}
