import { restartEach, restartTogether, upgradeAndRollBack } from './agents.ts';
import {
  enforcementChanged,
  lifetimesChanged,
  networksChanged,
  peeringRecreated,
  proposalsChanged,
  scopeChanged,
} from './configuration.ts';
import type { LifecycleEvent } from './event.ts';
import {
  authorityRolled,
  certificatesRenewed,
  childSasRekeyed,
  ikeSasRekeyed,
  ikeSasReplaced,
  rekeyedOverBadPath,
} from './keys.ts';
import type { NodeSettings } from './node-settings.ts';
import { nodeAddressChanged, nodeRebooted, nodeUnreachable } from './outages.ts';

/** The events of the matrix: whatever may happen to nodes without a packet being lost. A new one is an entry here. */
export const events: readonly LifecycleEvent[] = [
  {
    name: 'child-sa-rekeyed-by-initiator',
    description: 'the side that began the IKE SA replaces the Child SA three times',
    settings: lifetimesOf('a', { child: '10s' }),
    worth: 'quick',
    run: (mesh) => childSasRekeyed(mesh, 'a', 3),
  },
  {
    name: 'child-sa-rekeyed-by-responder',
    description: 'the other side replaces the Child SA three times',
    settings: lifetimesOf('b', { child: '10s' }),
    run: (mesh) => childSasRekeyed(mesh, 'b', 3),
  },
  {
    name: 'ike-sa-rekeyed',
    description: 'the IKE SA is replaced three times, its Child SA moves along',
    settings: lifetimesOf('a', { ike: '10s' }),
    run: (mesh) => ikeSasRekeyed(mesh, 'a', 3),
  },
  {
    name: 'reauthenticated',
    description: 'both sides prove themselves anew three times, each time with a new IKE SA and Child SA',
    settings: lifetimesOf('a', { reauthentication: '10s' }),
    run: (mesh) => ikeSasReplaced(mesh, 3),
  },
  {
    name: 'certificates-renewed',
    description: 'one node after the other gets a new key and certificate',
    worth: 'quick',
    run: certificatesRenewed,
  },
  {
    name: 'authority-rolled',
    description: 'all trust a new authority too, get certificates of it, and trust it alone',
    run: authorityRolled,
  },
  {
    name: 'agent-stopped',
    description: 'one agent after the other ends by SIGTERM and starts again two seconds later',
    run: (mesh) => restartEach(mesh, 'stop'),
  },
  {
    name: 'agent-killed',
    description: 'one agent after the other ends by SIGKILL and starts again two seconds later',
    worth: 'quick',
    run: (mesh) => restartEach(mesh, 'kill'),
  },
  {
    name: 'agent-upgraded',
    description: 'agents are replaced by those of an earlier commit, by these again, and by the earlier ones',
    needsEarlierAgent: true,
    run: upgradeAndRollBack,
  },
  {
    name: 'both-agents-killed',
    description: 'the agents of both nodes end by SIGKILL at the same time and start together',
    worth: 'quick',
    run: restartTogether,
  },
  {
    name: 'all-agents-restarted',
    description: 'of three nodes one after the other has its agent stopped and started',
    nodes: 3,
    run: (mesh) => restartEach(mesh, 'stop'),
  },
  {
    name: 'ike-packets-lost',
    description: 'SAs are rekeyed while every fifth IKE packet is lost',
    settings: lifetimesOf('ab', { child: '10s', ike: '15s' }),
    run: (mesh) => rekeyedOverBadPath(mesh, ['loss', '20%']),
  },
  {
    name: 'ike-packets-duplicated',
    description: 'SAs are rekeyed while every fifth IKE packet comes twice',
    settings: lifetimesOf('ab', { child: '10s', ike: '15s' }),
    run: (mesh) => rekeyedOverBadPath(mesh, ['duplicate', '20%']),
  },
  {
    name: 'ike-packets-reordered',
    description: 'SAs are rekeyed while every fifth IKE packet overtakes those before it by half a second',
    settings: lifetimesOf('ab', { child: '10s', ike: '15s' }),
    run: (mesh) => rekeyedOverBadPath(mesh, ['delay', '500ms', 'reorder', '20%']),
  },
  {
    name: 'proposals-changed',
    description: 'other algorithms for IKE and ESP, first beside and then in place of those in use',
    run: proposalsChanged,
  },
  {
    name: 'lifetimes-changed',
    description: 'lifetimes become seconds, which IKE SAs end by, and hours again',
    run: lifetimesChanged,
  },
  {
    name: 'scope-changed',
    description: 'a second Child SA is configured at one node after the other, and taken back',
    run: scopeChanged,
  },
  {
    name: 'networks-changed',
    description:
      'one network more behind each node, another one in its place, both, and none again, at one node after the other',
    run: networksChanged,
  },
  {
    name: 'enforcement-changed',
    description: 'Permissive, then Required, then Permissive again, at one node after the other',
    settings: () => ({ defaults: { enforcement: 'Permissive' } }),
    worth: 'quick',
    run: enforcementChanged,
  },
  {
    name: 'peering-recreated',
    description: 'a Permissive peering is deleted at one node after the other, and created again',
    settings: () => ({ defaults: { enforcement: 'Permissive' } }),
    unencrypted: 'without a peering nobody asks for encryption',
    run: peeringRecreated,
  },
  {
    name: 'node-rebooted',
    description: 'a node is gone with all of its SAs for five seconds, and comes back',
    outage: { why: 'a node that is down receives nothing', recoverySeconds: 15 },
    worth: 'quick',
    run: nodeRebooted,
  },
  {
    name: 'node-address-changed',
    description: 'a node has another address at once, and both configurations say so a moment later',
    outage: { why: 'nothing reaches an address that is gone', recoverySeconds: 15 },
    run: nodeAddressChanged,
  },
  {
    name: 'node-unreachable',
    description: 'nothing passes for 20 seconds, and both sides find each other dead',
    settings: () => ({ defaults: { liveness: { interval: '3s', timeout: '9s' } } }),
    outage: { why: 'nothing passes a wire that is cut', recoverySeconds: 1 },
    run: (mesh) => nodeUnreachable(mesh, 20, 90),
  },
  {
    name: 'node-unreachable-two-minutes',
    description: 'nothing passes for two minutes',
    outage: { why: 'nothing passes a wire that is cut', recoverySeconds: 1 },
    worth: 'long',
    run: (mesh) => nodeUnreachable(mesh, 120, 240),
  },
];

/** Lifetimes of the nodes whose letters are named; all others have the default ones. */
function lifetimesOf(names: string, lifetimes: Readonly<Record<string, string>>): (node: string) => NodeSettings {
  return (node) => (names.includes(node) ? { defaults: { lifetimes } } : {});
}
