import { judged, type NodeStanding, type PeeringStanding, type RefusedWrite, suitable } from './standing.ts';
import { faultsText, UNREADABLE_REMEDY } from './unreadable.ts';
import { counted, fails, holds, listed, unknown, type Verdict } from './verdict.ts';

/** Whether every node has done what it was told. */
export function programmed(standing: PeeringStanding, acceptance: Verdict): Verdict {
  if (standing.nodes.length === 0) return unknown('NoNodes', 'no node takes part');
  if (acceptance.status !== 'True') {
    return fails('NotAccepted', 'nodes keep what they had of this peering until it is accepted');
  }
  const members = judged(standing);
  if (members.length === 0) return unknown('Pending', 'all nodes joined less than a minute ago');
  const [unsuitable] = members.flatMap(({ name, obstacle }) => (obstacle === undefined ? [] : [{ name, obstacle }]));
  if (unsuitable !== undefined) {
    const others = members.length - suitable(members).length - 1;
    const more = others === 0 ? '' : `; ${counted(others, 'more node')} cannot take part either`;
    return fails('NodesUnsuitable', `node ${unsuitable.name} ${unsuitable.obstacle.text}${more}`);
  }
  const [unread, ...others] = standing.unreadable;
  if (unread !== undefined) {
    const more = others.length === 0 ? '' : ` (nor ${counted(others.length, 'more object')})`;
    return fails(
      'Unreadable',
      `this version of the operator cannot read ${faultsText(unread.faults)} of ${unread.kind} ${unread.name}${more}, and ` +
        `leaves it as it is, so nodes keep what they had: ${UNREADABLE_REMEDY}`,
    );
  }
  const untold = members.flatMap(({ name, refusal: text }) => (text === undefined ? [] : [{ name, text }]));
  const refused =
    writesRefused('IPsecNodeConfig of', untold) ?? writesRefused('IPsecPeerSlice', standing.refusedSlices);
  if (refused !== undefined) return refused;
  const missing = namesOf(members, 'missing');
  if (missing.length > 0) {
    return fails('AgentsMissing', `no agent is Ready on ${listed(missing)}: look at its Pod there`);
  }
  const [failing] = members.flatMap(({ name, agent }) =>
    agent.kind === 'failing' ? [{ name, text: agent.text }] : [],
  );
  if (failing !== undefined) {
    const others = namesOf(members, 'failing').length - 1;
    const more = others === 0 ? '' : ` (and ${counted(others, 'more node')})`;
    return fails('AgentsFailing', `the agent of ${failing.name}${more}: ${failing.text}`);
  }
  const behind = namesOf(members, 'behind');
  if (behind.length > 0) {
    return fails('AgentsBehind', `${listed(behind)} did not carry out the newest configuration yet`);
  }
  const staged = members.filter(({ agent }) => agent.kind === 'reporting' && !agent.enforced);
  const { serversLeftOut } = standing;
  if (staged.length > 0 && serversLeftOut.length > 0) {
    return fails('EnforcementHeld', `spec.enforcement goes no further than it is: ${leftOutText(serversLeftOut)}`);
  }
  if (staged.length > 0) {
    return fails(
      'EnforcementStaged',
      `spec.enforcement and spec.traffic.exempt are put into force step by step, each when all nodes have done the ` +
        `one before: ` +
        `${staged.length} of ${counted(members.length, 'node')} are on the way`,
    );
  }
  if (serversLeftOut.length > 0) return fails('ServersNotExempt', leftOutText(serversLeftOut));
  const partly = members.flatMap(({ name, shortfall }) => (shortfall === undefined ? [] : [{ name, shortfall }]));
  if (partly[0] !== undefined) {
    const { name, shortfall } = partly[0];
    const more = partly.length === 1 ? '' : `; so it is with ${counted(partly.length - 1, 'more node')}`;
    return fails('NetworksClaimed', `node ${name} ${shortfall.text}${more}`);
  }
  const unclamped = members.flatMap(({ name, agent }) =>
    agent.kind === 'reporting' && agent.mssClampFailure !== undefined ? [{ name, text: agent.mssClampFailure }] : [],
  );
  const [first] = unclamped;
  if (first !== undefined) {
    return fails(
      'SegmentsNotClamped',
      `TCP segments are not clamped on ${listed(unclamped.map(({ name }) => name))}: ${first.text}; mend that, or set ` +
        `spec.mssClamp to Disabled`,
    );
  }
  return holds('Programmed', `${counted(members.length, 'node')} configured`);
}

/** `what` is refused, with the words of the server for the first; nothing where nothing is. */
function writesRefused(what: string, refused: readonly RefusedWrite[]): Verdict | undefined {
  const [first] = refused;
  if (first === undefined) return undefined;
  return fails(
    'WritesRefused',
    `the API server refuses the ${what} ${listed(refused.map(({ name }) => name))}, which is tried again ` +
      `(${first.text.slice(0, MAX_WORDS)}): give the operator what is missing there, or see to the webhook, policy or quota ` +
      `that refuses`,
  );
}

function leftOutText(servers: readonly string[]): string {
  return (
    `the control plane has more addresses than can be exempt, and under Required a node whose tunnels are down does not ` +
    `reach ${listed(servers)}: name networks that hold all of them in spec.traffic.essential.servers`
  );
}

function namesOf(members: readonly NodeStanding[], kind: NodeStanding['agent']['kind']): readonly string[] {
  return members.filter(({ agent }) => agent.kind === kind).map(({ name }) => name);
}

/** What a webhook says can be of any length. */
const MAX_WORDS = 512;
