import assert from 'node:assert/strict';
import { SecretBytes } from '../../../agent/crypto/secret.ts';
import { algorithms, noIntegrity } from '../../../agent/crypto/suites.ts';
import { decodeAttributes } from '../../../agent/dataplane/netlink/attributes.ts';
import { NetlinkConnection } from '../../../agent/dataplane/netlink/connection.ts';
import { openNetlinkSocket } from '../../../agent/dataplane/netlink/socket.ts';
import { ip, keyBytes, policy, sa, selector, template } from '../../../agent/dataplane/testing/builders.ts';
import type { DataplaneCommand, PolicySpec, SaSpec } from '../../../agent/dataplane/types.ts';
import { openXfrmDataplane } from '../../../agent/dataplane/xfrm/driver.ts';
import { POLICY_INFO_BYTES } from '../../../agent/dataplane/xfrm/policy-codec.ts';
import { XFRM_FAMILY, XfrmAttribute, XfrmMessage } from '../../../agent/dataplane/xfrm/registry.ts';
import { SA_INFO_BYTES } from '../../../agent/dataplane/xfrm/sa-codec.ts';
import { errnoName, inNetworkNamespace } from '../../../agent/native/libc.ts';
import { addStateLine, updatePolicyLine } from '../dataplane/ip-xfrm.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';

const scenario: Scenario = {
  name: 'dataplane-bytes',
  description: 'what the driver installs is, byte for byte, what ip xfrm installs for the same request',
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const { nodes } = await lab.topology({ nodes: { ours: {}, theirs: {} }, links: {} });
  const dataplane = inNode(nodes.ours, () => openXfrmDataplane());
  if (!dataplane.ok) throw new Error(dataplane.error.message);
  try {
    const execute = (command: DataplaneCommand) => {
      const outcome = dataplane.value.execute(command);
      if (!outcome.ok) throw new Error(`${outcome.error.object}: ${outcome.error.message}`);
    };
    const specs = saSpecs();
    lab.step(`${specs.length} SAs: every suite, both directions, windows, encapsulation, limits, marks`);
    for (const spec of specs) {
      await nodes.theirs.ip(addStateLine(spec));
      execute({ kind: 'addSa', sa: spec });
    }
    compare(dump(nodes.ours, XfrmMessage.getSa), dump(nodes.theirs, XfrmMessage.getSa), specs.length, describeSa);

    lab.step(`${policySpecs.length} policies: every direction, level, template and kind of selector`);
    for (const spec of policySpecs) {
      await nodes.theirs.ip(updatePolicyLine(spec));
      execute({ kind: 'putPolicy', policy: spec });
    }
    const policies = [nodes.ours, nodes.theirs].map((node) => dump(node, XfrmMessage.getPolicy)) as [Dump, Dump];
    compare(policies[0], policies[1], policySpecs.length, describePolicy);
  } finally {
    dataplane.value.close();
  }
}

/** SAs or policies by what names them: the struct without its times, and the attributes, in hexadecimal. */
type Dump = ReadonlyMap<string, Readonly<Record<string, string>>>;

function compare(ours: Dump, theirs: Dump, count: number, describe: (key: string) => string): void {
  assert.equal(ours.size, count);
  for (const [key, object] of theirs) assert.deepEqual(ours.get(key), object, describe(key));
  assert.equal(theirs.size, count);
}

function dump(node: LabNode, type: 18 | 21): Dump {
  const socket = inNode(node, () => openNetlinkSocket(XFRM_FAMILY, []));
  if (!socket.ok) throw new Error(socket.error.message);
  const connection = new NetlinkConnection(socket.value, errnoName);
  const objects = connection.dump(type, new Uint8Array(0), ({ body }) => body.slice());
  connection.close();
  if (!objects.ok) throw new Error(objects.error.reason);
  const [head, current, key] =
    type === XfrmMessage.getSa
      ? ([SA_INFO_BYTES, CURRENT_OF_SA, KEY_OF_SA] as const)
      : ([POLICY_INFO_BYTES, CURRENT_OF_POLICY, KEY_OF_POLICY] as const);
  return new Map(
    objects.value.map((body) => {
      body.fill(0, current, current + CURRENT_BYTES);
      const attributes = [...decodeAttributes(body.subarray(head))]
        .filter(([attribute]) => attribute !== LAST_USED && attribute !== XfrmAttribute.mappingThreshold)
        .map(([attribute, value]) => [`attribute ${attribute}`, hex(value)] as const);
      return [hex(body.subarray(...key)), { struct: hex(body.subarray(0, head)), ...Object.fromEntries(attributes) }];
    }),
  );
}

function saSpecs(): readonly SaSpec[] {
  const [east, west, east6, west6] = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'] as const;
  const suites = esp();
  const variations: readonly (readonly [string, string, Partial<SaSpec>])[] = [
    [east, west, { direction: 'in', esn: true, replayWindow: 4096 }],
    [east, west, { direction: 'in', esn: false, replayWindow: 33 }],
    [east, west, { direction: 'out', esn: false }],
    [east6, west6, { direction: 'in', mode: 'tunnel', esn: true, replayWindow: 1024 }],
    [east6, west6, { mode: 'tunnel' }],
    [east, west, { selector: selector(east, west), direction: 'in' }],
    [east, west, { selector: selector('192.0.2.0/24', west, { protocol: 17 }) }],
    [east, west, { udpEncapsulation: { sourcePort: 4500, destinationPort: 1024 }, direction: 'in' }],
    [east6, west6, { udpEncapsulation: { sourcePort: 4500, destinationPort: 4500 } }],
    [east, west, { lifetime: { softSeconds: 3000, hardSeconds: 3600 } }],
    [east, west, { lifetime: { softBytes: 2 ** 40, hardBytes: 2 ** 41, softPackets: 7, hardPackets: 9 } }],
    [east, west, { mark: { value: 7, mask: 0xff }, direction: 'in' }],
    [east, west, { ifId: 9 }],
  ];
  const bySuite = suites.map((suite) => sa(east, west, 0, { ...suite, direction: 'in', replayWindow: 64 }));
  const varied = variations.map(([source, destination, more]) => sa(source, destination, 0, more));
  return [...bySuite, ...varied].map((spec, i) => ({ ...spec, id: { ...spec.id, spi: 0x1000 + i } }));
}

/** Every ESP suite of the table. */
function esp(): readonly Pick<SaSpec, 'algorithms' | 'encryptionKey' | 'integrityKey'>[] {
  const macs = algorithms.filter((row) => row.kind === 'integrity');
  return algorithms.flatMap((row) => {
    if (row.kind !== 'aead' && row.kind !== 'cipher') return [];
    const beside = row.kind === 'aead' ? [undefined] : macs;
    return beside.map((mac) => ({
      algorithms: {
        encryption: row.transformId,
        keyBits: row.keyBits,
        integrity: mac?.transformId ?? noIntegrity,
      },
      encryptionKey: new SecretBytes(keyBytes(row.keyBytes + row.saltBytes, 1)),
      integrityKey: new SecretBytes(keyBytes(mac?.keyBytes ?? 0, 2)),
    }));
  });
}

const tunnel = template({ mode: 'tunnel', source: ip('192.0.2.1'), destination: ip('192.0.2.2') });
const tunnel6 = template({ mode: 'tunnel', source: ip('2001:db8::1'), destination: ip('2001:db8::2') });
const exactly = (value: number) => ({ value, mask: 0xffff });
const policySpecs: readonly PolicySpec[] = [
  policy('out', selector('192.0.2.1', '192.0.2.2'), { template: template({ spi: 0xc0ffee01 }) }, 1),
  policy('in', selector('192.0.2.2', '192.0.2.1'), { template: template({ level: 'optional' }) }, 2),
  policy('out', selector('10.1.0.0/16', '10.2.0.0/16'), { template: { ...tunnel, spi: 0x1001 }, priority: 1 }, 3),
  policy('in', selector('10.2.0.0/16', '10.1.0.0/16'), { template: tunnel, priority: 0xffffffff }, 4),
  policy('fwd', selector('10.2.0.0/16', '10.1.0.0/16'), { template: { ...tunnel, level: 'optional' } }, 5),
  policy('out', selector('fd01::/64', 'fd02::/64'), { template: tunnel6 }, 6),
  policy('out', selector('10.3.0.0/16', '10.4.0.0/16'), { template: tunnel6 }, 7),
  policy('out', selector('0.0.0.0/0', '10.0.0.0/8'), { action: 'block', priority: 9 }, 8),
  policy(
    'in',
    selector('::/0', '::/0', { protocol: 58, sourcePort: exactly(135), destinationPort: exactly(0) }),
    {},
    9,
  ),
  policy('out', selector('10.0.0.1', '10.0.0.2', { protocol: 6, destinationPort: exactly(443) }), {}, 10),
  policy('in', selector('0.0.0.0/0', '0.0.0.0/0', { protocol: 17, sourcePort: exactly(4500) }), { priority: 3 }, 11),
  policy('fwd', selector('10.0.0.0/8', '10.0.0.0/8'), { mark: { value: 1, mask: 3 }, template: template() }, 12),
  policy('fwd', selector('10.0.0.0/8', '10.0.0.0/8'), { ifId: 5, template: template() }, 13),
];

function inNode<T>(node: LabNode, work: () => T): T {
  const outcome = inNetworkNamespace(`/run/netns/${node.namespace}`, work);
  if (!outcome.ok) throw new Error(`${outcome.error.call}: ${outcome.error.message}`);
  return outcome.value;
}

function describeSa(key: string): string {
  return `the SA with destination and SPI ${key}`;
}

function describePolicy(key: string): string {
  return `the policy with priority, index and direction ${key}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** struct xfrm_lifetime_cur, with its times, in the two structs. */
const CURRENT_BYTES = 32;
const CURRENT_OF_SA = 160;
const CURRENT_OF_POLICY = 120;
/** XFRMA_LASTUSED */
const LAST_USED = 15;
const KEY_OF_SA: readonly [number, number] = [56, 76];
const KEY_OF_POLICY: readonly [number, number] = [152, 161];
