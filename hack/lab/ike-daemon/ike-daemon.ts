import type { Completed } from '../topology/completed.ts';
import { LoggedDaemon } from '../topology/logged-daemon.ts';

/** The IKE daemon of others: what the scenarios ask of it, whichever it is. */
export abstract class IkeDaemon extends LoggedDaemon {
  /** Initiates; a failed negotiation is a code other than 0, with the daemon's words in the output. */
  abstract initiate(name: SaName, timeoutSeconds?: number): Promise<Completed>;

  /** Ends an IKE SA or Child SA by a Delete. */
  abstract terminate(name: SaName, timeoutSeconds?: number): Promise<Completed>;

  /** Rekeys an IKE SA or Child SA. */
  abstract rekey(name: SaName): Promise<Completed>;

  /** All IKE SAs with their Child SAs, the oldest first. */
  abstract listSas(): Promise<readonly IkeSa[]>;

  /** Initiates what must succeed. */
  async establish(name: SaName, timeoutSeconds?: number): Promise<void> {
    const { code, stdout, stderr } = await this.initiate(name, timeoutSeconds);
    if (code !== 0) throw new Error(`${this.daemon.label} established nothing:\n${stdout}${stderr}`);
  }
}

/** An IKE SA by the name that `listSas` gives it, or a Child SA by its name in the daemon's configuration. */
export type SaName = { readonly ike: string } | { readonly child: string };

/** An IKE SA. */
export interface IkeSa {
  /** The connection that it belongs to. */
  readonly name: string;
  /** Its number in that daemon; another one after a rekey. */
  readonly uniqueId: string;
  /** ESTABLISHED, or the daemon's own word for another state. */
  readonly state: string;
  /** In strongSwan's proposal syntax, as our own status has it. */
  readonly suite: string;
  readonly children: readonly ChildSa[];
}

/** A Child SA; SPIs as hexadecimal text without 0x. */
export interface ChildSa {
  readonly name: string;
  readonly uniqueId: string;
  /** INSTALLED, or the daemon's own word for another state. */
  readonly state: string;
  readonly mode: string;
  readonly encapsulated: boolean;
  readonly spiIn: string;
  readonly spiOut: string;
  /** In strongSwan's proposal syntax. */
  readonly suite: string;
  /** Such as 192.0.2.0/24[udp/53]. */
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly packetsIn: number;
  readonly packetsOut: number;
}
