import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { SecretBytes } from '../../crypto/secret.ts';
import { decodeAttributes } from '../netlink/attributes.ts';
import { directionNumber, ownIndex, ownReqid } from '../ownership.ts';
import { ip, policy, sa, selector, template } from '../testing/builders.ts';
import type { PolicyDirection, PolicyKey, SaSpec } from '../types.ts';
import { decodeEvent } from './event-codec.ts';
import { decodePolicy, encodePolicy, encodePolicyKey, POLICY_INFO_BYTES } from './policy-codec.ts';
import { XfrmMessage } from './registry.ts';
import { decodeSa, directionOf, encodeNewSa, encodeSaId, encodeUpdatedPorts, SA_INFO_BYTES } from './sa-codec.ts';

/** What iproute2 6.1 sends for a command, recorded; `body` in hexadecimal, without the netlink header. */
interface Recorded {
  readonly command: string;
  readonly type: number;
  readonly body: string;
}

const recordings = JSON.parse(
  readFileSync(new URL('testdata/ip-xfrm.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

const NO_DIRECTION = { direction: false, natKeepalive: false };
const DIRECTION = { direction: true, natKeepalive: false };

function recorded(type: number, words: string): Uint8Array {
  const found = recordings.filter((recording) => recording.type === type && recording.command.includes(words));
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} recordings of ${words}`);
  return Uint8Array.from(found[0].body.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** The struct and the attributes by type: their order is free. */
function parts(body: Uint8Array, headBytes: number) {
  return {
    head: Buffer.from(body.subarray(0, headBytes)).toString('hex'),
    attributes: Object.fromEntries(
      [...decodeAttributes(body.subarray(headBytes))].map(([type, value]) => [
        type,
        Buffer.from(value).toString('hex'),
      ]),
    ),
  };
}

function keys(length: number, first = 0): SecretBytes {
  return new SecretBytes(Uint8Array.from({ length }, (_, i) => first + i));
}

function encoded(spec: SaSpec, features = NO_DIRECTION): Uint8Array {
  const body = encodeNewSa(spec, features);
  if (!body.ok) throw new Error(body.error.reason);
  return body.value;
}

const gcm = sa('10.0.0.1', '10.0.0.2', 0xc0ffee01, {
  direction: 'in',
  encryptionKey: keys(20),
  esn: true,
  replayWindow: 128,
  selector: selector('10.0.0.1', '10.0.0.2'),
});

describe('the bytes of an SA', () => {
  it('are those of ip xfrm for AES-GCM with ESN in transport mode', () => {
    expect(parts(encoded(gcm), SA_INFO_BYTES)).toEqual(
      parts(recorded(XfrmMessage.newSa, 'spi 0xc0ffee01'), SA_INFO_BYTES),
    );
  });

  it('are those of ip xfrm for AES-CBC with HMAC, limits, UDP encapsulation, mark and if_id in tunnel mode', () => {
    const spec = sa('10.0.0.1', '10.0.0.2', 0xc0ffee02, {
      direction: 'in',
      mode: 'tunnel',
      algorithms: { encryption: 12, keyBits: 128, integrity: 12 },
      encryptionKey: keys(16),
      integrityKey: keys(32, 0x20),
      replayWindow: 64,
      lifetime: {
        softBytes: 1000,
        hardBytes: 2000,
        softPackets: 10,
        hardPackets: 20,
        softSeconds: 60,
        hardSeconds: 90,
      },
      udpEncapsulation: { sourcePort: 4500, destinationPort: 1024 },
      mark: { value: 7, mask: 0xff },
      ifId: 9,
    });
    const ours = parts(encoded(spec), SA_INFO_BYTES);
    const theirs = parts(recorded(XfrmMessage.newSa, 'spi 0xc0ffee02'), SA_INFO_BYTES);
    // `ip` has no word for the bound on how often the kernel tells of a peer that has moved.
    expect(ours).toEqual({ ...theirs, attributes: { ...theirs.attributes, 32: '01000000' } });
  });

  it('are the same but for the ports when the ports of ESP in UDP change', () => {
    const spec = { ...gcm, udpEncapsulation: { sourcePort: 4500, destinationPort: 1024 } };
    const before = parts(encoded({ ...spec, encryptionKey: keys(20) }, DIRECTION), SA_INFO_BYTES);
    const body = encoded({ ...spec, encryptionKey: keys(20) }, DIRECTION);
    const after = parts(encodeUpdatedPorts(body, { sourcePort: 4500, destinationPort: 2048 }), SA_INFO_BYTES);
    expect(before.attributes[4]).toBe(`020011940400${'00'.repeat(18)}`);
    expect(after).toEqual({
      ...before,
      attributes: { ...before.attributes, 4: `020011940800${'00'.repeat(18)}` },
    });
  });

  it('are those of ip xfrm for ChaCha20-Poly1305 over IPv6', () => {
    const spec = sa('2001:db8::1', '2001:db8::2', 0xc0ffee03, {
      mode: 'tunnel',
      reqid: ownReqid(2),
      algorithms: { encryption: 28, keyBits: 0, integrity: 0 },
      encryptionKey: keys(36),
    });
    expect(parts(encoded(spec), SA_INFO_BYTES)).toEqual(
      parts(recorded(XfrmMessage.newSa, 'spi 0xc0ffee03'), SA_INFO_BYTES),
    );
  });

  it('name it as ip xfrm does', () => {
    const { head } = parts(encodeSaId({ destination: ip('2001:db8::2'), spi: 0xc0ffee03 }, undefined), 24);
    expect(head).toBe(parts(recorded(XfrmMessage.deleteSa, 'delete'), 24).head);
    const get = encodeSaId({ destination: ip('10.0.0.2'), spi: 0xc0ffee01 }, undefined);
    expect(parts(get, 24).head).toBe(parts(recorded(XfrmMessage.getSa, 'get'), 24).head);
  });

  it('ask for NAT keepalives on the way out, where the kernel has them and ESP is in UDP', () => {
    const spec = { ...gcm, direction: 'out', natKeepaliveSeconds: 20 } as const;
    const inUdp = { ...spec, udpEncapsulation: { sourcePort: 4500, destinationPort: 1024 } };
    const asks = (sa: SaSpec, natKeepalive: boolean): string | undefined =>
      parts(encoded({ ...sa, encryptionKey: keys(20) }, { ...DIRECTION, natKeepalive }), SA_INFO_BYTES).attributes[34];
    expect(asks(inUdp, true)).toBe('14000000');
    expect([asks(inUdp, false), asks(spec, true), asks({ ...inUdp, direction: 'in' }, true)]).toEqual(
      Array(3).fill(undefined),
    );
  });

  it('tell the direction and leave an outbound window empty where the kernel knows directions', () => {
    expect(directionOf(encoded(gcm, DIRECTION))).toBe(1);
    const out = parts(encoded({ ...gcm, direction: 'out', encryptionKey: keys(20) }, DIRECTION), SA_INFO_BYTES);
    expect(out.attributes).toMatchObject({ 33: '02', 23: '00'.repeat(24) });
    const old = encoded({ ...gcm, direction: 'out', encryptionKey: keys(20) }, NO_DIRECTION);
    expect(directionOf(old)).toBeUndefined();
    // Before 6.10 ESN needs a window of at least one packet, outbound too.
    expect(parts(old, SA_INFO_BYTES).attributes[23]).toBe(`01000000${'00'.repeat(16)}01000000`);
  });

  it('round limits that are no whole numbers, and never make a short time into none', () => {
    const limits = { softSeconds: 0.2, hardSeconds: 59.5, softBytes: 1000.9, hardPackets: Number.POSITIVE_INFINITY };
    const view = new DataView(encoded({ ...gcm, encryptionKey: keys(20), lifetime: limits }).buffer);
    const at = (offset: number) => view.getBigUint64(96 + offset, true);
    expect([at(0), at(8), at(24), at(32), at(40)]).toEqual([1000n, 2n ** 64n - 1n, 2n ** 64n - 1n, 1n, 60n]);
  });

  it('are refused when the keys do not fit the suite, without telling the key', () => {
    const short = encodeNewSa({ ...gcm, encryptionKey: keys(16) }, DIRECTION);
    expect(short).toMatchObject({ ok: false, error: { errno: 'EINVAL' } });
    const unknown = { encryption: 99, keyBits: 128, integrity: 0 };
    expect(encodeNewSa({ ...gcm, algorithms: unknown }, DIRECTION).ok).toBe(false);
    const noMac = { encryption: 12, keyBits: 128, integrity: 0 };
    expect(encodeNewSa({ ...gcm, algorithms: noMac, encryptionKey: keys(16) }, DIRECTION).ok).toBe(false);
  });

  it('come back as the same SA', () => {
    const spec = sa('10.0.0.1', '10.0.0.2', 0x80000001, {
      direction: 'in',
      esn: true,
      replayWindow: 1024,
      udpEncapsulation: { sourcePort: 4500, destinationPort: 4500 },
      mark: { value: 1, mask: 3 },
    });
    expect(decodeSa(encoded(spec))).toEqual({
      id: spec.id,
      source: '10.0.0.1',
      mode: 'transport',
      reqid: ownReqid(1),
      esn: true,
      replayWindow: 1024,
      packets: 0,
      bytes: 0,
      integrityFailures: 0,
      addedAt: 0,
      usedAt: 0,
      udpEncapsulation: { sourcePort: 4500, destinationPort: 4500 },
      mark: { value: 1, mask: 3 },
      ours: true,
    });
  });
});

const tcpFrom443 = { protocol: 6, sourcePort: { value: 443, mask: 0xffff } };
const tunnelPolicy = policy(
  'out',
  selector('10.0.0.0/24', '10.1.0.0/16', tcpFrom443),
  {
    priority: 1234,
    template: template({ mode: 'tunnel', source: ip('192.0.2.1'), destination: ip('192.0.2.2'), spi: 0xc0ffee01 }),
  },
  1,
);
const optionalPolicy = policy(
  'fwd',
  selector('10.0.0.1', '10.0.0.2'),
  { priority: 9, mark: { value: 1, mask: 3 }, ifId: 5, template: template({ level: 'optional' }) },
  3,
);

describe('the bytes of a policy', () => {
  const body = (words: string) => parts(recorded(XfrmMessage.updatePolicy, words), POLICY_INFO_BYTES);

  it('are those of ip xfrm for a pinned tunnel', () => {
    expect(parts(encodePolicy(tunnelPolicy, 0), POLICY_INFO_BYTES)).toEqual(body('priority 1234'));
  });

  it('are those of ip xfrm for a block of an ICMPv6 type', () => {
    const neighbourSolicitation = {
      protocol: 58,
      sourcePort: { value: 135, mask: 0xffff },
      destinationPort: { value: 0, mask: 0xffff },
    };
    const block = policy(
      'in',
      selector('2001:db8::/32', '2001:db8:1::/48', neighbourSolicitation),
      { priority: 7, action: 'block' },
      2,
    );
    expect(parts(encodePolicy(block, 0), POLICY_INFO_BYTES)).toEqual(body('priority 7'));
  });

  it('are those of ip xfrm for an optional transport template with mark and if_id', () => {
    expect(parts(encodePolicy(optionalPolicy, 0), POLICY_INFO_BYTES)).toEqual(body('priority 9'));
  });

  it('name it as ip xfrm does', () => {
    expect(parts(encodePolicyKey(tunnelPolicy, 0), 64)).toEqual(parts(recorded(XfrmMessage.getPolicy, 'get'), 64));
    expect(parts(encodePolicyKey(optionalPolicy, 0), 64)).toEqual(
      parts(recorded(XfrmMessage.deletePolicy, 'delete'), 64),
    );
  });

  it('come back as the same policy', () => {
    for (const spec of [tunnelPolicy, optionalPolicy]) {
      expect(decodePolicy(encodePolicy(spec, 0))).toEqual({ ...spec, ours: true });
    }
  });

  it('name an interface by its index, and one that is gone by digits, so that it can still be deleted', () => {
    const ofLoopback = policy('out', { ...selector('10.0.0.1', '10.0.0.2'), interface: 'lo' });
    const loopback = encodePolicy(ofLoopback, 1);
    // offsetof(struct xfrm_selector, ifindex); Linux gives the loopback interface of each namespace the index 1.
    expect([...new Uint32Array(loopback.slice(48, 52).buffer)]).toEqual([1]);
    expect(decodePolicy(loopback)?.selector).toEqual(ofLoopback.selector);
    expect(decodePolicy(encodePolicy(ofLoopback, 0))?.selector).not.toHaveProperty('interface');
    expect(decodePolicy(encodePolicy(ofLoopback, 0x7fff_fff0))?.selector.interface).toBe('2147483632');
  });

  it('of a single socket, of a sub policy or of another program are not taken for ours', () => {
    const socketPolicy = encodePolicy(tunnelPolicy, 0);
    socketPolicy[160] = 4;
    expect(decodePolicy(socketPolicy)).toBeUndefined();
    expect(decodePolicy(encodePolicy({ ...tunnelPolicy, index: 9 }, 0))).toMatchObject({ ours: false });
  });
});

describe('events', () => {
  const message = (type: number, body: Uint8Array) => ({ type, flags: 0, sequence: 0, port: 0, body });
  const padded = (length: number, ...pieces: readonly (readonly [number, Uint8Array])[]) => {
    const body = new Uint8Array(length);
    for (const [offset, bytes] of pieces) body.set(bytes, offset);
    return body;
  };

  it('of expiry say which SA, and whether it is gone', () => {
    const state = encoded({ ...gcm, encryptionKey: keys(20) }).subarray(0, SA_INFO_BYTES);
    for (const hard of [false, true]) {
      const body = padded(232, [0, state], [224, Uint8Array.of(hard ? 1 : 0)]);
      expect(decodeEvent(message(XfrmMessage.expire, body))).toEqual({
        kind: 'expire',
        id: gcm.id,
        reqid: ownReqid(1),
        hard,
      });
    }
  });

  it('of a larval state that ends without an SPI are none', () => {
    const state = encoded({ ...gcm, encryptionKey: keys(20) }).slice(0, SA_INFO_BYTES);
    state.fill(0, 72, 76);
    expect(decodeEvent(message(XfrmMessage.expire, padded(232, [0, state])))).toBeUndefined();
  });

  it('of a mapping tell the new address and port, whatever stands behind an IPv4 address', () => {
    const id = encodeSaId(gcm.id, undefined);
    const body = padded(
      64,
      [0, id],
      [44, Uint8Array.of(198, 51, 100, 7, 0xde, 0xad, 0xbe, 0xef)],
      [62, Uint8Array.of(4, 0)],
    );
    new DataView(body.buffer).setUint32(24, ownReqid(1), true);
    expect(decodeEvent(message(XfrmMessage.mapping, body))).toEqual({
      kind: 'mapping',
      id: gcm.id,
      reqid: ownReqid(1),
      newAddress: '198.51.100.7',
      newPort: 1024,
    });
  });

  it('of an acquire tell the packet, the policy and the reqid, but not by which interface the packet was to leave', () => {
    const spec = encodePolicy(tunnelPolicy, 0);
    const packet = selector('10.0.0.9', '10.1.0.9', tcpFrom443);
    const body = padded(
      280 + 68,
      [20, Uint8Array.of(50)],
      [40, encodePolicyKey({ direction: 'out', selector: packet }, 0).subarray(0, 56)],
      [96, spec.subarray(0, POLICY_INFO_BYTES)],
      [280, spec.subarray(POLICY_INFO_BYTES, POLICY_INFO_BYTES + 68)],
    );
    new DataView(body.buffer).setUint32(40 + 48, 2, true);
    new DataView(body.buffer).setUint32(276, 42, true);
    expect(decodeEvent(message(XfrmMessage.acquire, body))).toEqual({
      kind: 'acquire',
      sequence: 42,
      policyIndex: ownIndex(1, 'out'),
      reqid: ownReqid(1),
      selector: packet,
    });
  });

  it('and objects that are cut off anywhere, or garbage, are read without a throw', () => {
    const bodies = [
      encoded({ ...gcm, encryptionKey: keys(20) }),
      encodePolicy(tunnelPolicy, 0),
      new Uint8Array(400).fill(50),
    ];
    for (const body of bodies) {
      for (let length = 0; length <= body.length; length++) {
        const cut = body.subarray(0, length);
        decodeSa(cut);
        decodePolicy(cut);
        for (const type of [23, 24, 38]) decodeEvent(message(type, cut));
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(16, 19, 23, 24, 38), (bytes, type) => {
        decodeSa(bytes);
        decodePolicy(bytes);
        decodeEvent(message(type, bytes));
      }),
    );
  });
});

describe('policies of any shape', () => {
  const port = fc.constantFrom({ value: 0, mask: 0 }, { value: 0xfff0, mask: 0xfff0 }, { value: 80, mask: 0xffff });
  const networks = fc.constantFrom<readonly [string, string]>(
    ['10.0.0.0/8', '192.0.2.7'],
    ['2001:db8::/32', '2001:db8::1'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  );
  const keysOfPolicies: fc.Arbitrary<PolicyKey> = fc
    .record({
      direction: fc.constantFrom<PolicyDirection>('in', 'out', 'fwd'),
      networks,
      protocol: fc.nat(255),
      ports: fc.tuple(port, port),
      mark: fc.option(fc.record({ value: fc.nat(0xffff), mask: fc.constant(0xffffffff) }), { nil: undefined }),
      ifId: fc.option(fc.integer({ min: 1, max: 0xffffffff }), { nil: undefined }),
    })
    .map(({ direction, networks: [source, destination], protocol, ports, mark, ifId }) => ({
      direction,
      selector: selector(source, destination, { protocol, sourcePort: ports[0], destinationPort: ports[1] }),
      ...(mark === undefined ? {} : { mark }),
      ...(ifId === undefined ? {} : { ifId }),
    }));

  it('come back as they went', () => {
    fc.assert(
      fc.property(keysOfPolicies, fc.nat(0xffffffff), fc.boolean(), (key, priority, block) => {
        const spec = {
          ...policy(key.direction, key.selector, { priority, action: block ? 'block' : 'allow' } as const),
          ...key,
        };
        expect(spec.index & 7).toBe(directionNumber(key.direction));
        expect(decodePolicy(encodePolicy(spec, 0))).toEqual({ ...spec, ours: true });
      }),
    );
  });
});
