import type { Completed } from '../topology/completed.ts';
import type { LabNode } from '../topology/lab-node.ts';

/** Whose IKE daemon is at the other end; also the name of the root folder that has it. */
export type PeerKind = 'strongswan' | 'libreswan';

/** An IKE daemon that is not ours: what the scenarios ask of it, whichever it is. */
export interface PeerDaemon {
  readonly node: LabNode;
  /** Initiates what must succeed. */
  establish(name: { readonly child: string }): Promise<void>;
  /** Initiates; a failed negotiation is a code other than 0. */
  initiate(name: { readonly child: string }): Promise<Completed>;
  /** Ends an IKE SA or Child SA by a Delete. */
  terminate(name: PeerSaName): Promise<Completed>;
  rekey(name: PeerSaName): Promise<Completed>;
  /** All IKE SAs with their Child SAs, the oldest first. */
  listSas(): Promise<readonly PeerIkeSa[]>;
  /** Everything that it has logged. */
  log(): string;
  /** Waits until it has logged the text. */
  logged(text: string | RegExp, timeoutMs?: number): Promise<void>;
  /** Ends it in order: it deletes its SAs, at the peer too. */
  stop(): Promise<void>;
  /** Ends it as a crash would: its SAs stay in the kernel, the peer hears nothing. */
  kill(): Promise<void>;
}

/** An IKE SA by the name that `listSas` gives it, or a Child SA by its name in the link's settings. */
export type PeerSaName = { readonly ike: string } | { readonly child: string };

/** An IKE SA of the other end. */
export interface PeerIkeSa {
  readonly name: string;
  /** Its number in that daemon; another one after a rekey. */
  readonly uniqueId: string;
  /** ESTABLISHED, or the daemon's own word for another state. */
  readonly state: string;
  /** In strongSwan's proposal syntax, as our own status has it. */
  readonly suite: string;
  readonly children: readonly PeerChildSa[];
}

/** A Child SA of the other end; SPIs as eight hexadecimal digits. */
export interface PeerChildSa {
  readonly name: string;
  /** INSTALLED, or the daemon's own word for another state. */
  readonly state: string;
  readonly suite: string;
  readonly encapsulated: boolean;
  readonly spiIn: string;
  readonly spiOut: string;
  /** Such as 192.0.2.0/24[udp/53]. */
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly packetsIn: number;
  readonly packetsOut: number;
}
