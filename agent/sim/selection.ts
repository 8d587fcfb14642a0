import { policyCheck } from '../dataplane/memory/policy-check.ts';
import type { TableState } from '../dataplane/memory/state-table.ts';
import type { Host } from './host.ts';
import type { Flow } from './topology.ts';

/** What a sender's kernel would do with the next packet of a flow, without sending it. */
export type Selection =
  | { readonly kind: 'sa'; readonly state: TableState }
  | { readonly kind: 'plain' }
  | { readonly kind: 'dropped' };

/** Looks a flow up in the sender's policies and SAs. */
export function selectionOf(sender: Host, flow: Flow): Selection {
  const { policies, states } = sender.kernel.kernel;
  const policy = policies.lookup('out', flow.compiled);
  if (policy === undefined) return { kind: 'plain' };
  const { action, template } = policy.spec;
  if (action === 'block') return { kind: 'dropped' };
  if (template === undefined) return { kind: 'plain' };
  const { source, destination } = flow.packet;
  const endpoints =
    template.mode === 'transport'
      ? { source, destination }
      : { source: template.source ?? source, destination: template.destination ?? destination };
  const choice = states.choose(template, endpoints, flow.compiled);
  if (choice.kind === 'state') return { kind: 'sa', state: choice.state };
  return { kind: template.level === 'optional' ? 'plain' : 'dropped' };
}

/** Whether the receiver's policies let a packet of a flow in that came through `state`, or in plaintext without one. */
export function wouldAccept(receiver: Host, flow: Flow, state: TableState | undefined): boolean {
  return policyCheck(receiver.kernel.kernel.policies, inward(flow), flow.compiledReceived, state) === undefined;
}

/** Which of the receiver's policies decide about packets of a flow: they are for itself, or for a network behind it. */
export function inward(flow: Flow): 'in' | 'fwd' {
  return flow.child.prefixes[0].length === 0 ? 'in' : 'fwd';
}

/** `c0ffee01 to 192.0.2.1` */
export function saText(id: { readonly spi: number; readonly destination: string }): string {
  return `${id.spi.toString(16).padStart(8, '0')} to ${id.destination}`;
}

/** `node-0 to node-1 (hosts)` */
export function flowText(flow: Flow): string {
  return `node-${flow.sender} to node-${flow.receiver} (${flow.child.name}, ${flow.packet.source} to ${flow.packet.destination})`;
}
