import type { Lab, Scenario } from '../runner/scenario.ts';
import { InteropLink } from './interop-link.ts';
import type { LinkSettings, PeerKind, Role } from './link-settings.ts';

/** One scenario against the IKE daemons of others, for either role. */
export interface InteropDefinition {
  /** Without the other end's name and the role, which are added to it. */
  readonly name: string;
  /** What is proven, in one line. */
  readonly description: string;
  /** Who may be at the other end. Default strongSwan and libreswan. */
  readonly peers?: readonly PeerKind[];
  /** Default both. */
  readonly roles?: readonly Role[];
  readonly timeoutMs?: number;
  readonly rare?: boolean;
  /**
   * Rare, but for one role with each of the other ends, one of either: what it proves is seldom broken in one role and
   * not in the other.
   */
  readonly rolesTakeTurns?: boolean;
  /** How the link differs from a plain one. */
  readonly settings?: LinkSettings | ((role: Role) => LinkSettings);
  /** Throws when anything is not as it should be. Default: connect, exchange packets, close. */
  readonly run?: (link: InteropLink) => Promise<void>;
}

/** A scenario for each other end and role: PEER-NAME-initiator and PEER-NAME-responder. */
export function interopScenarios(definition: InteropDefinition): readonly Scenario[] {
  const { name, description, peers = defaultPeers, roles = bothRoles, settings = {} } = definition;
  const { run = connectExchangeClose, timeoutMs } = definition;
  const isRare = (kind: PeerKind, role: Role) =>
    definition.rare === true || (definition.rolesTakeTurns === true && role !== roleInTurn[kind]);
  return peers.flatMap((kind) =>
    roles.map((role) => ({
      name: `${kind}-${name}-${role}`,
      description: `${description}; we are the ${role}`,
      usesAgent: true,
      recipe: kind,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      rare: isRare(kind, role),
      run: async (lab: Lab) => {
        const chosen = typeof settings === 'function' ? settings(role) : settings;
        await run(await InteropLink.create(lab, kind, role, chosen));
      },
    })),
  );
}

/** What every link has to do. */
async function connectExchangeClose(link: InteropLink): Promise<void> {
  await link.connect();
  await link.exchange();
  await link.close();
}

const roleInTurn: Readonly<Record<PeerKind, Role>> = {
  strongswan: 'initiator',
  libreswan: 'responder',
  openiked: 'responder',
};
const defaultPeers: readonly PeerKind[] = ['strongswan', 'libreswan'];
const bothRoles: readonly Role[] = ['initiator', 'responder'];
