import { errnoName, type SystemError } from '../../native/libc.ts';
import type { Dataplane } from '../../ports.ts';
import { err, ok, type Result } from '../../result.ts';
import { executeCommand, type KernelRefusal } from '../execute.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import { EventReader } from '../netlink/event-reader.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../netlink/socket.ts';
import { concernsUs } from '../ownership.ts';
import { refusalText } from '../texts.ts';
import type { DataplaneCommand, DataplaneError, DataplaneEvent, KernelSnapshot } from '../types.ts';
import { decodeEvent } from './event-codec.ts';
import { foreignChange } from './foreign-change.ts';
import { LinuxKernel, type MessageProtections } from './linux-kernel.ts';
import { type KernelFeatures, probeKernel } from './probe.ts';
import { XFRM_FAMILY, XfrmGroup } from './registry.ts';

/**
 * Opens the kernel's IPsec in the network namespace of the calling thread, and finds out what it can do. Fails with one
 * sentence for people where CAP_NET_ADMIN is missing or the kernel cannot do ESP.
 */
export function openXfrmDataplane({
  features,
  messageProtection,
}: XfrmOptions = {}): Result<XfrmDataplane, DataplaneError> {
  const requests = openNetlinkSocket(XFRM_FAMILY, []);
  if (!requests.ok) return err(cannotOpen(requests.error));
  const connection = new NetlinkConnection(requests.value, errnoName);
  const probed = features === undefined ? probeKernel(connection) : ok(features);
  if (!probed.ok) {
    connection.close();
    return err(openError(probed.error));
  }
  const events = openNetlinkSocket(XFRM_FAMILY, Object.values(XfrmGroup));
  if (!events.ok) {
    connection.close();
    return err(cannotOpen(events.error));
  }
  return ok(new XfrmDataplane(connection, events.value, probed.value, messageProtection));
}

/** How the kernel's IPsec is opened. */
export interface XfrmOptions {
  /** What the kernel can do; left out: it is tried out. */
  readonly features?: KernelFeatures;
  /** By which packets that come before their SA are looked at; left out: they are lost. */
  readonly messageProtection?: MessageProtections;
}

/** The kernel's SAs and policies by netlink. Made by `openXfrmDataplane`; tests bring their own sockets. */
export class XfrmDataplane implements Dataplane {
  readonly features: KernelFeatures;
  readonly #connection: NetlinkConnection;
  readonly #kernel: LinuxKernel;
  readonly #eventSocket: NetlinkSocket;
  #reader: EventReader | undefined;
  #resyncRetry: NodeJS.Timeout | undefined;
  #surveyAfterwards: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    connection: NetlinkConnection,
    eventSocket: NetlinkSocket,
    features: KernelFeatures,
    messageProtection?: MessageProtections,
  ) {
    this.features = features;
    this.#connection = connection;
    this.#eventSocket = eventSocket;
    this.#kernel = new LinuxKernel(connection, features, messageProtection);
  }

  get sendsKeepalives(): boolean {
    return this.features.natKeepalive;
  }

  execute(command: DataplaneCommand): Result<void, DataplaneError> {
    const outcome = executeCommand(this.#kernel, command);
    if (!outcome.ok) return outcome;
    const event = outcome.value;
    // Not from within the call: whoever orders is not to be called back in the middle of it.
    if (event !== undefined) setImmediate(() => this.#deliver(event));
    return ok(undefined);
  }

  dump(): Result<KernelSnapshot, DataplaneError> {
    const snapshot = this.#kernel.dump();
    return snapshot.ok ? snapshot : err(dumpError(snapshot.error));
  }

  /** Events wait in the socket until somebody is there to receive them. */
  onEvent(receiver: (event: DataplaneEvent) => void): void {
    this.#receiver = receiver;
    this.#reader ??= new EventReader(this.#eventSocket, {
      message: (message) => {
        const event = decodeEvent(message);
        if (event !== undefined && concernsUs(event)) this.#deliver(event);
        else if (message.port !== this.#connection.port) this.#onForeign(message);
      },
      overflow: () => this.#resync(),
    });
  }

  /** Lets go of the sockets. What is installed stays. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#resyncRetry);
    clearTimeout(this.#surveyAfterwards);
    this.#kernel.close();
    this.#connection.close();
    if (this.#reader === undefined) this.#eventSocket.close();
    else this.#reader.close();
  }

  #receiver: (event: DataplaneEvent) => void = () => {};

  #deliver(event: DataplaneEvent): void {
    if (!this.#closed) this.#receiver(event);
  }

  /** Others change many objects at a time, such as all of them: one look afterwards tells what that was. */
  #onForeign(message: NetlinkMessage): void {
    const change = foreignChange(message);
    if (change === undefined) return;
    if (change.kind === 'removed') {
      if (concernsUs(change)) this.#deliver(change);
      return;
    }
    this.#surveyAfterwards ??= setTimeout(() => this.#survey(), FOREIGN_CHANGES_MS);
  }

  /** Where it fails, the next one from time to time will do. */
  #survey(): void {
    this.#surveyAfterwards = undefined;
    const snapshot = this.#kernel.dump();
    if (snapshot.ok) this.#deliver({ kind: 'survey', snapshot: snapshot.value });
  }

  #resync(): void {
    if (this.#closed) return;
    clearTimeout(this.#resyncRetry);
    const snapshot = this.#kernel.dump();
    if (snapshot.ok) this.#deliver({ kind: 'resync', snapshot: snapshot.value });
    // What was lost stays lost until a dump succeeds.
    else this.#resyncRetry = setTimeout(() => this.#resync(), RESYNC_RETRY_MS);
  }
}

function openError(refusal: KernelRefusal): DataplaneError {
  return {
    kind: 'dataplaneError',
    command: 'open',
    object: 'IPsec in the kernel',
    errno: refusal.errno,
    message: refusalText(refusal),
  };
}

function cannotOpen(error: SystemError): DataplaneError {
  return openError({ errno: error.errno, reason: `${error.call}: ${error.message}` });
}

function dumpError(refusal: KernelRefusal): DataplaneError {
  return {
    kind: 'dataplaneError',
    command: 'dump',
    object: 'SAs and policies',
    errno: refusal.errno,
    message: refusalText(refusal),
  };
}

const RESYNC_RETRY_MS = 1000;
const FOREIGN_CHANGES_MS = 20;
