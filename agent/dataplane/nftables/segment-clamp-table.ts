import { errnoName } from '../../native/libc.ts';
import type { SegmentClampFailure, SegmentClamps, SegmentSizes } from '../../ports.ts';
import { err, ok, type Result } from '../../result.ts';
import { decodeAttributes } from '../netlink/attributes.ts';
import { NetlinkConnection, type NetlinkFailure } from '../netlink/connection.ts';
import { messageFlags } from '../netlink/message.ts';
import { openNetlinkSocket } from '../netlink/socket.ts';
import { NETFILTER_HEAD_BYTES, netfilterBody, uint32Value } from './attribute-values.ts';
import {
  elementsRequest,
  isOurTable,
  type NftMessage,
  readElements,
  removalMessages,
  ruleCount,
  rulesRequest,
  SET_NAMES,
  tableMessages,
  tableRequest,
} from './clamp-table.ts';
import { batchTypes, GENERATION_ID, NETFILTER_FAMILY, NFTABLES_SUBSYSTEM, nftTypes } from './registry.ts';

/** Opens the kernel's packet filter in the network namespace of the calling thread; it is asked only when something is wanted. */
export function openSegmentClampTable(): SegmentClampTable {
  return new SegmentClampTable(() => {
    const socket = openNetlinkSocket(NETFILTER_FAMILY, []);
    if (socket.ok) return ok(new NetlinkConnection(socket.value, errnoName));
    return err({ errno: socket.error.errno, reason: socket.error.message });
  });
}

/** Clamps by a table of nf_tables that is ours, `ikemesh` of the family inet; no other is looked at. */
export class SegmentClampTable implements SegmentClamps {
  readonly #open: () => Result<NetlinkConnection, NetlinkFailure>;
  #connection: NetlinkConnection | undefined;
  /** What was in force at this generation of the host's rules, which counts every change that anybody makes. */
  #known: { readonly generation: number; readonly sizes: ReadonlyMap<number, SegmentSizes> } | undefined;

  /** Made by `openSegmentClampTable`; tests bring their own socket. */
  constructor(open: () => Result<NetlinkConnection, NetlinkFailure>) {
    this.#open = open;
  }

  read(): Result<ReadonlyMap<number, SegmentSizes> | undefined, SegmentClampFailure> {
    const read = this.#read();
    return read.ok ? read : err(failure(read.error));
  }

  replace(sizes: ReadonlyMap<number, SegmentSizes>): Result<void, SegmentClampFailure> {
    const replaced = this.#replace(sizes);
    return replaced.ok ? replaced : err(failure(replaced.error));
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #read(): Result<ReadonlyMap<number, SegmentSizes> | undefined, NetlinkFailure> {
    const connection = this.#connected();
    if (!connection.ok) return connection;
    const generation = readGeneration(connection.value);
    if (!generation.ok) return generation;
    if (this.#known !== undefined && this.#known.generation === generation.value) return ok(this.#known.sizes);
    const sizes = readTable(connection.value);
    // Whatever changed meanwhile has another generation, and is looked at the next time.
    this.#known = sizes.ok && sizes.value ? { generation: generation.value, sizes: sizes.value } : undefined;
    return sizes;
  }

  #replace(sizes: ReadonlyMap<number, SegmentSizes>): Result<void, NetlinkFailure> {
    const connection = this.#connected();
    if (!connection.ok) return connection;
    this.#known = undefined;
    const present = isThere(connection.value);
    if (!present.ok) return present;
    const messages = [...removalMessages(), ...(sizes.size === 0 ? [] : tableMessages(sizes))];
    return connection.value.batch(inOneGo(messages));
  }

  #connected(): Result<NetlinkConnection, NetlinkFailure> {
    if (this.#connection !== undefined) return ok(this.#connection);
    const opened = this.#open();
    if (opened.ok) this.#connection = opened.value;
    return opened;
  }
}

function readGeneration(connection: NetlinkConnection): Result<number, NetlinkFailure> {
  const answer = connection.query(nftTypes.getGeneration, netfilterBody([], AF_UNSPEC), ({ type, body }) =>
    type === nftTypes.newGeneration
      ? uint32Value(decodeAttributes(body.subarray(NETFILTER_HEAD_BYTES)).get(GENERATION_ID))
      : undefined,
  );
  if (!answer.ok) return answer;
  return answer.value === undefined ? err({ errno: 'EBADMSG', reason: '' }) : ok(answer.value);
}

/** Whether there is a table of ours; one of another program with that name is a failure. */
function isThere(connection: NetlinkConnection): Result<boolean, NetlinkFailure> {
  const table = connection.query(nftTypes.getTable, tableRequest(), ({ type, body }) =>
    type === nftTypes.newTable ? isOurTable(body) : undefined,
  );
  if (!table.ok) return table.error.errno === 'ENOENT' ? ok(false) : table;
  if (table.value === true) return ok(true);
  return err({ errno: 'CONFLICT', reason: '' });
}

function readTable(
  connection: NetlinkConnection,
): Result<ReadonlyMap<number, SegmentSizes> | undefined, NetlinkFailure> {
  const present = isThere(connection);
  if (!present.ok) return present;
  if (!present.value) return ok(new Map());
  const sizes = new Map<number, { ipv4?: number; ipv6?: number }>();
  for (const set of SET_NAMES) {
    const elements = connection.dump(nftTypes.getElements, elementsRequest(set), ({ type, body }) =>
      type === nftTypes.newElements ? readElements(body) : undefined,
    );
    if (!elements.ok) return elements.error.errno === 'ENOENT' ? ok(undefined) : elements;
    for (const [reqid, size] of elements.value.flat()) sizes.set(reqid, { ...sizes.get(reqid), [set]: size });
  }
  const rules = connection.dump(nftTypes.getRule, rulesRequest(), ({ type }) =>
    type === nftTypes.newRule ? true : undefined,
  );
  if (!rules.ok) return rules;
  const whole = new Map<number, SegmentSizes>();
  for (const [reqid, { ipv4, ipv6 }] of sizes) {
    if (ipv4 === undefined || ipv6 === undefined) return ok(undefined);
    whole.set(reqid, { ipv4, ipv6 });
  }
  return ok(rules.value.length === ruleCount(whole) ? whole : undefined);
}

function inOneGo(messages: readonly NftMessage[]) {
  const mark = netfilterBody([], AF_UNSPEC, NFTABLES_SUBSYSTEM);
  const { ack, create, append } = messageFlags;
  return [
    { type: batchTypes.begin, flags: 0, body: mark },
    ...messages.map(({ type, body }) => ({ type, flags: ack | (isMaking(type) ? create | append : 0), body })),
    { type: batchTypes.end, flags: 0, body: mark },
  ];
}

function isMaking(type: number): boolean {
  return type !== nftTypes.deleteTable;
}

function failure({ errno, reason }: NetlinkFailure): SegmentClampFailure {
  return { kind: 'segmentClampFailure', text: sentence(errno, reason) };
}

function sentence(errno: string, reason: string): string {
  const said = reason === '' ? errno : `${errno}, ${reason}`;
  switch (errno) {
    case 'CONFLICT':
      return 'the table "inet ikemesh" of nf_tables is of another program and stays as it is: rename it there';
    case 'EPERM':
      return 'nf_tables may not be changed: run as root, or grant CAP_NET_ADMIN';
    // No such netlink family, subsystem, table family, or expression.
    case 'EPROTONOSUPPORT':
    case 'EOPNOTSUPP':
    case 'EINVAL':
    case 'ENOENT':
      return `this kernel lacks what it takes (${said}): it needs nf_tables for inet (CONFIG_NF_TABLES_INET) and CONFIG_NFT_XFRM`;
    default:
      return `the kernel refuses the table "inet ikemesh" of nf_tables: ${said}`;
  }
}

const AF_UNSPEC = 0;
