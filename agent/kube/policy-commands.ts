import type { CryptoProvider } from '../crypto/types.ts';
import { wipeSecrets } from '../ike/negotiation/authentication.ts';
import type { Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { block } from '../runtime/block.ts';
import { systemClock } from '../runtime/clock-system.ts';
import type { PlannedConnection } from '../runtime/config/agent-config.ts';
import { formatFaults } from '../runtime/config/fault.ts';
import { loadConfig } from '../runtime/config/load-config.ts';
import { resolveHost } from '../runtime/config/resolve-host.ts';
import { type LeakWatch, watchLeaks } from '../runtime/leaks/watch-leaks.ts';
import { environmentFailure, type StartFailure } from '../runtime/start-failure.ts';
import { unblock } from '../runtime/unblock.ts';
import { keptConnections } from './kept-connections.ts';
import { UnblockedPeerings } from './unblocked-peerings.ts';

/** Where connections are read from, and what they are read with. */
export interface ConnectionsParts {
  /** A configuration file; undefined: what an agent in a cluster has kept in `state`. */
  readonly config: string | undefined;
  readonly state: string;
  readonly provider: CryptoProvider;
}

/** The same, and the kernel. */
export interface PolicyCommandParts extends ConnectionsParts {
  readonly openDataplane: () => Result<Dataplane, string>;
}

/** Lets pass what a peering blocks, or with `undo` ends that; what was done, in lines for people. */
export async function runUnblock(
  parts: PolicyCommandParts & { readonly peering: string | undefined; readonly undo: boolean },
): Promise<Result<string, StartFailure>> {
  const { peering, undo, config, state } = parts;
  const unblocked = new UnblockedPeerings(state);
  if (undo) return peering === undefined ? ok('') : undoUnblock(unblocked, peering);
  const selection = peering === undefined ? ok('all' as const) : await connectionsOf(parts, peering);
  if (!selection.ok) return selection;
  // The kernel first: whoever needs this has no time, and perhaps no disk.
  const done = withDataplane(parts, (dataplane) => unblock(dataplane, selection.value));
  if (!done.ok) return done;
  const { changed, failed, open } = done.value;
  const lines = [
    ...changed,
    ...failed.map((text) => `NOT CHANGED: ${text}`),
    `${changed.length} policies let pass now what they blocked, ${open} did so before`,
    'what leaves is in plaintext; what arrives may be. The other end has to let it pass as well.',
  ];
  if (config !== undefined) {
    lines.push(
      'This lasts until the agent is started again, or agrees on new SAs with the peer.',
      `To keep it, write enforcement: Permissive in ${config}.`,
    );
  } else if (peering === undefined) {
    lines.push('This lasts until the agent is started again, or agrees on new SAs with a peer.');
  } else {
    try {
      await unblocked.add(peering);
      lines.push(
        `This lasts, also when the agent is started again, until: agent unblock --peering ${peering} --undo --state ${state}`,
      );
    } catch (error) {
      lines.push(
        `${unblocked.path} cannot be written: ${(error as Error).message}`,
        'so this lasts only until the agent is started again, or agrees on new SAs with a peer.',
      );
    }
  }
  return failed.length > 0 ? err(environmentFailure(lines.join('\n'))) : ok(`${lines.join('\n')}\n`);
}

/** Installs what the agent would begin with; what was done, in lines for people. */
export async function runBlock(parts: PolicyCommandParts): Promise<Result<string, StartFailure>> {
  const connections = await blockedConnections(parts);
  if (!connections.ok) return connections;
  const done = withDataplane(parts, (dataplane) => block(dataplane, connections.value));
  if (!done.ok) return done;
  const { installed, present, failed } = done.value;
  const text = `${installed} policies installed, ${present} were there; what is Required is blocked until the agent has SAs\n`;
  return failed.length === 0 ? ok(text) : err(environmentFailure([...failed, text.trimEnd()].join('\n')));
}

async function undoUnblock(unblocked: UnblockedPeerings, peering: string): Promise<Result<string, StartFailure>> {
  try {
    if (!(await unblocked.remove(peering)))
      return err(environmentFailure(`peering ${peering} is not unblocked on this node`));
    return ok(
      `An agent that runs carries out peering ${peering} again within ten seconds, any other when it starts.\n`,
    );
  } catch (error) {
    return err(environmentFailure(`${unblocked.path} cannot be written: ${(error as Error).message}`));
  }
}

/** Watches whether what should be encrypted leaves in plaintext; the lines for people, and whether nothing does. */
export async function runLeakWatch(
  parts: ConnectionsParts & { readonly seconds: number },
): Promise<Result<LeakWatch, StartFailure>> {
  const known = await knownConnections(parts);
  return known.ok ? watchLeaks([...known.value.values()].flat(), parts.seconds) : known;
}

/** All connections, but for those of peerings that somebody has unblocked. */
async function blockedConnections(
  parts: ConnectionsParts,
): Promise<Result<readonly PlannedConnection[], StartFailure>> {
  const known = await knownConnections(parts);
  if (!known.ok) return known;
  const unblocked = parts.config === undefined ? new UnblockedPeerings(parts.state).names() : new Set();
  return ok([...known.value].flatMap(([name, connections]) => (unblocked.has(name) ? [] : connections)));
}

/** The connections of a peering. */
async function connectionsOf(
  parts: ConnectionsParts,
  peering: string,
): Promise<Result<readonly PlannedConnection[], StartFailure>> {
  const known = await knownConnections(parts);
  if (!known.ok) return known;
  const connections = known.value.get(peering);
  if (connections !== undefined) return ok(connections);
  const names = [...known.value.keys()].slice(0, MAX_NAMES).join(', ');
  return err(
    environmentFailure(`there is no ${peering} here, but ${names === '' ? 'nothing' : names}; --all needs no name`),
  );
}

function knownConnections({ config, state, provider }: ConnectionsParts): Promise<Known> {
  return config === undefined ? keptPeerings(state, provider) : configuredPeers(config, provider);
}

type Known = Result<ReadonlyMap<string, readonly PlannedConnection[]>, StartFailure>;

async function keptPeerings(state: string, provider: CryptoProvider): Promise<Known> {
  const kept = await keptConnections(state, provider);
  return kept.ok ? ok(kept.value.peerings) : err(environmentFailure(kept.error));
}

async function configuredPeers(file: string, provider: CryptoProvider): Promise<Known> {
  const loaded = await loadConfig(file, { provider, resolveHost, clock: systemClock });
  if (!loaded.ok) return err({ kind: 'startFailure', exitCode: 2, text: formatFaults(file, loaded.error).join('\n') });
  const { connections } = loaded.value;
  for (const connection of connections) wipeSecrets(connection);
  return ok(new Map(connections.map((connection) => [connection.name, [connection]])));
}

function withDataplane<T>(
  { openDataplane }: PolicyCommandParts,
  use: (dataplane: Dataplane) => Result<T, string>,
): Result<T, StartFailure> {
  const opened = openDataplane();
  if (!opened.ok) return err(environmentFailure(opened.error));
  const done = use(opened.value);
  opened.value.close();
  return done.ok ? done : err(environmentFailure(done.error));
}

/** Of those in a message. */
const MAX_NAMES = 10;
