import type { Lab, Scenario } from '../runner/scenario.ts';
import { InteropLink } from './interop-link.ts';
import type { LinkSettings, Role } from './link-settings.ts';

/** One scenario against strongSwan, for either role. */
export interface InteropDefinition {
  /** Without the role, which is added to it. */
  readonly name: string;
  /** What is proven, in one line. */
  readonly description: string;
  /** Default both. */
  readonly roles?: readonly Role[];
  readonly timeoutMs?: number;
  /** How the link differs from a plain one; for either role. */
  readonly settings?: LinkSettings | ((role: Role) => LinkSettings);
  /** Throws when anything is not as it should be. Default: connect, exchange packets, close. */
  readonly run?: (link: InteropLink) => Promise<void>;
}

/** A scenario for each role: NAME-initiator and NAME-responder. */
export function interopScenarios(definition: InteropDefinition): readonly Scenario[] {
  const { name, description, roles = bothRoles, timeoutMs, settings = {}, run = connectExchangeClose } = definition;
  return roles.map((role) => ({
    name: `${name}-${role}`,
    description: `${description}; we are the ${role}`,
    usesAgent: true,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    run: async (lab: Lab) => {
      await run(await InteropLink.create(lab, role, typeof settings === 'function' ? settings(role) : settings));
    },
  }));
}

/** What every link has to do. */
async function connectExchangeClose(link: InteropLink): Promise<void> {
  await link.connect();
  await link.exchange();
  await link.close();
}

const bothRoles: readonly Role[] = ['initiator', 'responder'];
