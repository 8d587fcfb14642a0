import type { CryptoProvider } from '../../crypto/types.ts';
import { interfaceIndex } from '../../native/libc.ts';
import { err, ok, type Result } from '../../result.ts';
import type { KernelCalls, KernelRefusal } from '../execute.ts';
import type { NetlinkConnection } from '../netlink/connection.ts';
import { saIdText } from '../texts.ts';
import type {
  InstalledPolicy,
  InstalledSa,
  KernelSnapshot,
  PolicyKey,
  PolicySpec,
  SaId,
  SaSpec,
  Selector,
  UdpEncapsulation,
} from '../types.ts';
import { earlyPacketCheck } from './early-packet-check.ts';
import { EarlyPackets } from './early-packets.ts';
import { decodePolicy, encodePolicy, encodePolicyKey } from './policy-codec.ts';
import { XfrmMessage } from './registry.ts';
import { decodeSa, encodeNewSa, encodeSaId, encodeUpdatedPorts, type SaFeatures } from './sa-codec.ts';

/** The calls of a Linux kernel over a connection of the family NETLINK_XFRM. */
export class LinuxKernel implements KernelCalls {
  readonly #connection: NetlinkConnection;
  readonly #features: SaFeatures;
  /** An SA with a mark is found only with its mark, which an SaId does not tell; only those with one are kept here. */
  readonly #marks = new Map<string, NonNullable<SaSpec['mark']>>();
  readonly #early: EarlyPackets;
  /** What has kept packets from being kept, which is told once. */
  readonly #told = new Set<string>();

  readonly #messageProtection: MessageProtections;

  /** Without message protection nothing that comes before its SA can be looked at, nor handed over. */
  constructor(
    connection: NetlinkConnection,
    features: SaFeatures,
    messageProtection: MessageProtections = () => undefined,
    early = new EarlyPackets(),
  ) {
    this.#connection = connection;
    this.#messageProtection = messageProtection;
    this.#features = features;
    this.#early = early;
  }

  awaitSa(id: SaId): Result<void, KernelRefusal> {
    const awaited = this.#early.await(id);
    if (awaited.ok || this.#told.has(awaited.error.errno)) return ok(undefined);
    const { errno, call, message } = awaited.error;
    this.#told.add(errno);
    return err({ errno, reason: `${EARLY_PACKETS_LOST} (${call}: ${message})` });
  }

  forgetSa({ spi }: SaId): void {
    this.#early.forget(spi);
  }

  newSa(sa: SaSpec): Result<void, KernelRefusal> {
    const body = encodeNewSa(sa, this.#features);
    if (!body.ok) return body;
    const received = () => {
      const installed = this.sa(sa.id);
      return installed.ok ? installed.value.packets : 0;
    };
    const install = () => this.#connection.request(XfrmMessage.newSa, body.value);
    const isMeant = earlyPacketCheck(sa, this.#messageProtection);
    const outcome = sa.direction === 'in' ? this.#early.handOver(sa.id.spi, install, received, isMeant) : install();
    if (outcome.ok && sa.mark !== undefined) this.#marks.set(saIdText(sa.id), sa.mark);
    return outcome;
  }

  sa(id: SaId): Result<InstalledSa, KernelRefusal> {
    const body = encodeSaId(id, this.#marks.get(saIdText(id)));
    const answer = this.#connection.query(XfrmMessage.getSa, body, ({ type, body: sa }) =>
      type === XfrmMessage.newSa ? decodeSa(sa) : undefined,
    );
    return answer.ok ? present(answer.value) : answer;
  }

  deleteSa(id: SaId): Result<void, KernelRefusal> {
    const outcome = this.#connection.request(XfrmMessage.deleteSa, encodeSaId(id, this.#marks.get(saIdText(id))));
    this.#marks.delete(saIdText(id));
    return outcome;
  }

  updateEncapsulation(id: SaId, udpEncapsulation: UdpEncapsulation): Result<void, KernelRefusal> {
    const body = encodeSaId(id, this.#marks.get(saIdText(id)));
    const answer = this.#connection.query(XfrmMessage.getSa, body, ({ type, body: sa }) =>
      type === XfrmMessage.newSa ? encodeUpdatedPorts(sa, udpEncapsulation) : undefined,
    );
    if (!answer.ok) return answer;
    const updated = present(answer.value);
    return updated.ok ? this.#connection.request(XfrmMessage.updateSa, updated.value) : updated;
  }

  updatePolicy(policy: PolicySpec): Result<void, KernelRefusal> {
    const index = interfaceIndexOf(policy.selector);
    return index.ok ? this.#connection.request(XfrmMessage.updatePolicy, encodePolicy(policy, index.value)) : index;
  }

  policy(key: PolicyKey): Result<InstalledPolicy, KernelRefusal> {
    const index = interfaceIndexOf(key.selector);
    if (!index.ok) return index;
    const body = encodePolicyKey(key, index.value);
    const answer = this.#connection.query(XfrmMessage.getPolicy, body, ({ type, body: policy }) =>
      type === XfrmMessage.newPolicy ? decodePolicy(policy) : undefined,
    );
    return answer.ok ? present(answer.value) : answer;
  }

  deletePolicy(key: PolicyKey): Result<void, KernelRefusal> {
    const index = interfaceIndexOf(key.selector);
    return index.ok ? this.#connection.request(XfrmMessage.deletePolicy, encodePolicyKey(key, index.value)) : index;
  }

  /** Lets go of packets that are kept. */
  close(): void {
    this.#early.close();
  }

  /** All SAs and policies of the network namespace. */
  dump(): Result<KernelSnapshot, KernelRefusal> {
    const sas = this.#connection.dump(XfrmMessage.getSa, new Uint8Array(0), ({ type, body }) =>
      type === XfrmMessage.newSa ? decodeSa(body) : undefined,
    );
    if (!sas.ok) return sas;
    for (const { id, mark } of sas.value) if (mark !== undefined) this.#marks.set(saIdText(id), mark);
    const policies = this.#connection.dump(XfrmMessage.getPolicy, new Uint8Array(0), ({ type, body }) =>
      type === XfrmMessage.newPolicy ? decodePolicy(body) : undefined,
    );
    return policies.ok ? ok({ sas: sas.value, policies: policies.value }) : policies;
  }
}

export type MessageProtections = CryptoProvider['messageProtection'];

/** 0 where a selector names no interface. One that is gone is named by the digits of its index. */
function interfaceIndexOf({ interface: name }: Selector): Result<number, KernelRefusal> {
  if (name === undefined) return ok(0);
  const index = interfaceIndex(name) ?? (INDEX.test(name) ? Number(name) : undefined);
  return index === undefined ? err({ errno: 'ENODEV', reason: `there is no interface ${name}` }) : ok(index);
}

function present<T>(value: T | undefined): Result<T, KernelRefusal> {
  return value === undefined ? err({ errno: 'ESRCH', reason: '' }) : ok(value);
}

const EARLY_PACKETS_LOST =
  'what a peer sends before the SA is there will be lost, here and at each rekey with such a peer; grant CAP_NET_RAW to the agent (in the Helm chart: agent.keepEarlyPackets)';
const INDEX = /^[1-9]\d{0,9}$/;
