import { describe, expect, it } from 'vitest';

import type { SegmentSizes } from '../../ports.ts';
import { ok } from '../../result.ts';
import { encodeWithAttributes } from '../netlink/attributes.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import { hostView } from '../netlink/host-order.ts';
import { controlTypes, messageFlags, type NetlinkMessage } from '../netlink/message.ts';
import { fromKernel, type Reception, ScriptedSocket } from '../testing/scripted-socket.ts';
import { netfilterBody, textAttribute, uint32Attribute } from './attribute-values.ts';
import { tableMessages } from './clamp-table.ts';
import { nftTypes } from './registry.ts';
import { SegmentClampTable } from './segment-clamp-table.ts';

const SIZES: ReadonlyMap<number, SegmentSizes> = new Map([
  [0x6000_0001, { ipv4: 1_360, ipv6: 1_340 }],
  [0x6000_0002, { ipv4: 1_200, ipv6: 1_180 }],
]);
const NAMES: Readonly<Record<number, string>> = { 1: 'EPERM', 2: 'ENOENT', 17: 'EEXIST', 95: 'EOPNOTSUPP' };

/** nf_tables with one table at most, which keeps the messages that it was made of. */
class Kernel {
  readonly socket: ScriptedSocket;
  readonly table: SegmentClampTable;
  content: readonly NetlinkMessage[] = [];
  generation = 1;
  /** By the type of a message, what it is refused with. */
  readonly refusals = new Map<number, number>();
  #batch: NetlinkMessage[] = [];

  constructor() {
    this.socket = new ScriptedSocket((request, port) => this.#answer(copied(request), port));
    this.table = new SegmentClampTable(() =>
      ok(new NetlinkConnection(this.socket, (errno) => NAMES[errno] ?? `E${errno}`)),
    );
  }

  /** As another program would. */
  put(content: readonly { readonly type: number; readonly body: Uint8Array }[]): void {
    this.generation += 1;
    this.content = content.map((each) => ({ ...each, flags: 0, sequence: 0, port: 0 }));
  }

  get questions(): readonly number[] {
    return this.socket.requests.map(({ type }) => type & 0xff);
  }

  #answer(request: NetlinkMessage, port: number): readonly Reception[] {
    const { type, flags, sequence } = request;
    const refusal = this.refusals.get(type);
    if (refusal !== undefined) return [acknowledgement(sequence, port, refusal)];
    const multi = (kind: number) => [
      ...this.content.filter((each) => each.type === kind).map(({ body }) => fromKernel(kind, 2, sequence, port, body)),
      fromKernel(controlTypes.done, 2, sequence, port, new Uint8Array(4)),
    ];
    if (type === nftTypes.getGeneration) {
      const body = netfilterBody([uint32Attribute(1, this.generation)]);
      return [fromKernel(nftTypes.newGeneration, 0, sequence, port, body), acknowledgement(sequence, port, 0)];
    }
    if (type === nftTypes.getTable) {
      const table = this.content.find((each) => each.type === nftTypes.newTable);
      if (table === undefined) return [acknowledgement(sequence, port, 2)];
      return [fromKernel(nftTypes.newTable, 0, sequence, port, table.body), acknowledgement(sequence, port, 0)];
    }
    if (type === nftTypes.getRule) return multi(nftTypes.newRule);
    if (type === nftTypes.getElements) {
      // The name of the map is the second attribute of both.
      const set = text(request.body).includes('ipv4') ? 'ipv4' : 'ipv6';
      return [
        ...this.content
          .filter((each) => each.type === nftTypes.newElements && text(each.body).includes(`${set}\0`))
          .map(({ body }) => fromKernel(nftTypes.newElements, 2, sequence, port, body)),
        fromKernel(controlTypes.done, 2, sequence, port, new Uint8Array(4)),
      ];
    }
    this.#change(request);
    return (flags & messageFlags.ack) === 0 ? [] : [acknowledgement(sequence, port, 0)];
  }

  #change(request: NetlinkMessage): void {
    if (request.type === 0x10) this.#batch = [...this.content];
    else if (request.type === 0x11) {
      this.content = this.#batch;
      this.generation += 1;
    } else if (request.type === nftTypes.deleteTable) this.#batch = [];
    else if (request.type !== nftTypes.newTable || this.#batch.length === 0) this.#batch.push(request);
  }
}

function copied(message: NetlinkMessage): NetlinkMessage {
  return { ...message, body: message.body.slice() };
}

function text(body: Uint8Array): string {
  return Buffer.from(body).toString('latin1');
}

function acknowledgement(sequence: number, port: number, errno: number): Uint8Array {
  const head = new Uint8Array(20);
  hostView(head).setUint32(0, -errno >>> 0);
  hostView(head).setUint32(4, 16);
  return fromKernel(controlTypes.error, messageFlags.capped, sequence, port, encodeWithAttributes(head, []));
}

describe('the table of clamps', () => {
  it('reads back what it has put, and what an earlier run had put', () => {
    const kernel = new Kernel();
    expect(kernel.table.read()).toEqual({ ok: true, value: new Map() });
    expect(kernel.table.replace(SIZES)).toEqual({ ok: true, value: undefined });
    expect(kernel.table.read()).toEqual({ ok: true, value: SIZES });
  });

  it('replaces all in one batch, so that nothing is ever let through half', () => {
    const kernel = new Kernel();
    kernel.table.replace(SIZES);
    const { length } = kernel.socket.requests;
    const other = new Map([[7, { ipv4: 900, ipv6: 900 }]]);
    kernel.table.replace(other);
    const types = kernel.questions.slice(length);
    expect([types[1], types[2], types[3], types.at(-1)]).toEqual([0x10, 0, 2, 0x11]);
    expect(kernel.table.read()).toEqual({ ok: true, value: other });
  });

  it('leaves nothing where nothing is to be clamped', () => {
    const kernel = new Kernel();
    kernel.table.replace(SIZES);
    kernel.table.replace(new Map());
    expect(kernel.content).toEqual([]);
  });

  it('asks for one number only while nobody has changed any rules of the host', () => {
    const kernel = new Kernel();
    kernel.table.replace(SIZES);
    kernel.table.read();
    const { length } = kernel.questions;
    kernel.table.read();
    expect(kernel.questions.slice(length)).toEqual([16]);
  });

  it('finds out that somebody has taken it away, or one of its rules', () => {
    const kernel = new Kernel();
    kernel.table.replace(SIZES);
    kernel.table.read();
    kernel.put(tableMessages(SIZES).filter(({ type }, index) => type !== nftTypes.newRule || index % 2 === 0));
    expect(kernel.table.read()).toEqual({ ok: true, value: undefined });
    kernel.put([]);
    expect(kernel.table.read()).toEqual({ ok: true, value: new Map() });
  });

  it('leaves alone a table of that name that another program has made', () => {
    const kernel = new Kernel();
    kernel.put([{ type: nftTypes.newTable, body: netfilterBody([textAttribute(1, 'ikemesh')]) }]);
    for (const outcome of [kernel.table.read(), kernel.table.replace(SIZES)]) {
      expect(outcome).toMatchObject({ error: { text: expect.stringContaining('of another program') } });
    }
    expect(kernel.content).toHaveLength(1);
  });

  it.each([
    [nftTypes.newTable, 95, /^this kernel lacks what it takes \(EOPNOTSUPP\): it needs nf_tables for inet/],
    [nftTypes.newRule, 2, /^this kernel lacks what it takes \(ENOENT\): .*CONFIG_NFT_XFRM/],
    [nftTypes.getGeneration, 1, /may not be changed: run as root, or grant CAP_NET_ADMIN/],
  ])('says in a sentence why the kernel refuses message %i with %i', (type, errno, sentence) => {
    const kernel = new Kernel();
    kernel.refusals.set(type, errno);
    const refused = type === nftTypes.getGeneration ? kernel.table.read() : kernel.table.replace(SIZES);
    expect(refused.ok ? '' : refused.error.text).toMatch(sentence);
  });
});
