import { setTimeout as systemSleep } from 'node:timers/promises';

import type { CryptoProvider } from '../crypto/types.ts';
import { wipeSecrets } from '../ike/negotiation/authentication.ts';
import type { Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { block } from '../runtime/block.ts';
import { systemClock } from '../runtime/clock-system.ts';
import type { PlannedConnection, UnresolvedPeer } from '../runtime/config/agent-config.ts';
import { formatFaults } from '../runtime/config/fault.ts';
import { loadConfig } from '../runtime/config/load-config.ts';
import { type HostResolver, resolveHost } from '../runtime/config/resolve-host.ts';
import { type LeakWatch, watchLeaks } from '../runtime/leaks/watch-leaks.ts';
import { environmentFailure, type StartFailure } from '../runtime/start-failure.ts';
import { openTraffic, unblock } from '../runtime/unblock.ts';
import { keptConnections } from './kept-connections.ts';
import { UnblockedPeerings } from './unblocked-peerings.ts';

/** Where connections are read from, and what they are read with. */
export interface ConnectionsParts {
  /** A configuration file; undefined: what an agent in a cluster has kept in `state`. */
  readonly config: string | undefined;
  readonly state: string;
  readonly provider: CryptoProvider;
  /** Finds the addresses of peers; left out: the system's resolver. */
  readonly resolveHost?: HostResolver;
}

/** The same, and the kernel. */
export interface PolicyCommandParts extends ConnectionsParts {
  readonly openDataplane: () => Result<Dataplane, string>;
  /** Left out: the host's clock. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** Lets pass what a peering blocks, or with `undo` ends that; what was done, in lines for people. */
export async function runUnblock(
  parts: PolicyCommandParts & { readonly peering: string | undefined; readonly undo: boolean },
): Promise<Result<string, StartFailure>> {
  const { peering, undo, config, state } = parts;
  const unblocked = new UnblockedPeerings(state);
  if (undo) return peering === undefined ? ok('') : undoUnblock(parts, unblocked, peering);
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
    const added = await unblocked.add(peering);
    lines.push(
      ...(added.ok
        ? [
            `This lasts, also when the agent is started again, until: agent unblock --peering ${peering} --undo --state ${state}`,
          ]
        : [added.error, 'so this lasts only until the agent is started again, or agrees on new SAs with a peer.']),
    );
  }
  return failed.length > 0 ? err(environmentFailure(lines.join('\n'))) : ok(`${lines.join('\n')}\n`);
}

/** Installs what the agent would begin with; what was done, in lines for people. */
export async function runBlock(parts: PolicyCommandParts): Promise<Result<string, StartFailure>> {
  const known = await knownConnections(parts);
  if (!known.ok) return known;
  const unblocked = parts.config === undefined ? new UnblockedPeerings(parts.state).names() : ok(new Set<string>());
  const connections = blockedConnections(known.value, unblocked.ok ? unblocked.value : new Set());
  const done = withDataplane(parts, (dataplane) => block(dataplane, connections));
  if (!done.ok) return done;
  const { installed, present } = done.value;
  const open = known.value.unresolved.filter(({ isOpen }) => isOpen);
  const failed = [...done.value.failed, ...open.map((peer) => `NOT BLOCKED: ${unresolvedText(peer)}`)];
  const lines = [
    ...(unblocked.ok ? [] : [`${unblocked.error}. Nothing counts as unblocked: what is Required is blocked`]),
    `${installed} policies installed, ${present} were there; what is Required is blocked until the agent has SAs`,
  ];
  const text = lines.join('\n');
  return failed.length === 0 ? ok(`${text}\n`) : err(environmentFailure([...failed, text].join('\n')));
}

/** Waits until an agent carries the peering out again: whoever asks wants to know from when on nothing is in plaintext. */
async function undoUnblock(
  parts: PolicyCommandParts,
  unblocked: UnblockedPeerings,
  peering: string,
): Promise<Result<string, StartFailure>> {
  const removed = await unblocked.remove(peering);
  if (!removed.ok) return err(environmentFailure(removed.error));
  if (!removed.value) return err(environmentFailure(`peering ${peering} is not unblocked on this node`));
  const connections = await connectionsOf(parts, peering);
  // What the node keeps of its configuration may have gone since.
  if (!connections.ok) return ok(`${undoneText(peering)}\n`);
  const open = await openUntilCarriedOut(parts, connections.value);
  if (!open.ok) return ok(`${undoneText(peering)}, as far as can be seen: ${open.error.text}\n`);
  if (open.value.length === 0) return ok(`Peering ${peering} is carried out again on this node.\n`);
  const shown = open.value.slice(0, MAX_NAMES);
  const more = open.value.length > shown.length ? ['and more'] : [];
  return ok(
    `${[undoneText(peering), 'Until then this is neither encrypted nor blocked:', ...shown, ...more].join('\n')}\n`,
  );
}

/** What is neither encrypted nor blocked when an agent has had the time to see to it; a line each. */
async function openUntilCarriedOut(
  parts: PolicyCommandParts,
  connections: readonly PlannedConnection[],
): Promise<Result<readonly string[], StartFailure>> {
  const { sleep = systemSleep } = parts;
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const open = withDataplane(parts, (dataplane) => openTraffic(dataplane, connections, MAX_NAMES + 1));
    if (!open.ok || open.value.length === 0 || waitedMs >= CARRIED_OUT_MS) return open;
    await sleep(LOOK_MS);
  }
}

function undoneText(peering: string): string {
  return `No agent has carried out peering ${peering} yet: one that runs does so soon, any other when it starts`;
}

/** Watches whether what should be encrypted leaves in plaintext; the lines for people, and whether nothing does. */
export async function runLeakWatch(
  parts: ConnectionsParts & { readonly seconds: number },
): Promise<Result<LeakWatch, StartFailure>> {
  const known = await knownConnections(parts);
  if (!known.ok) return known;
  // What cannot be watched must not count as encrypted.
  const unseen = known.value.unresolved.filter(({ isOpen }) => isOpen);
  if (unseen.length > 0) return err(environmentFailure(unseen.map(unresolvedText).join('\n')));
  return watchLeaks([...known.value.peerings.values()].flat(), parts.seconds);
}

/** All connections, but for those of peerings that somebody has unblocked. */
function blockedConnections({ peerings }: Known, unblocked: ReadonlySet<string>): readonly PlannedConnection[] {
  return [...peerings].flatMap(([name, connections]) => (unblocked.has(name) ? [] : connections));
}

/** The connections of a peering. */
async function connectionsOf(
  parts: ConnectionsParts,
  peering: string,
): Promise<Result<readonly PlannedConnection[], StartFailure>> {
  const known = await knownConnections(parts);
  if (!known.ok) return known;
  const unresolved = known.value.unresolved.find(({ name, isOpen }) => name === peering && isOpen);
  // Nobody knows which of the kernel's policies are about it.
  if (unresolved !== undefined) return err(environmentFailure(`${unresolvedText(unresolved)}; --all needs no address`));
  const connections = known.value.peerings.get(peering);
  if (connections !== undefined) return ok(connections);
  const names = [...known.value.peerings.keys()].slice(0, MAX_NAMES).join(', ');
  return err(
    environmentFailure(`there is no ${peering} here, but ${names === '' ? 'nothing' : names}; --all needs no name`),
  );
}

/** What is configured, by the name of the peering, or of the peer. */
interface Known {
  readonly peerings: ReadonlyMap<string, readonly PlannedConnection[]>;
  /** Of a configuration file: before the network is up no name resolves, and that is when what is Required is to be blocked. */
  readonly unresolved: readonly UnresolvedPeer[];
}

function knownConnections(parts: ConnectionsParts): Promise<Result<Known, StartFailure>> {
  const { config, state, provider } = parts;
  return config === undefined ? keptPeerings(state, provider) : configuredPeers(config, parts);
}

async function keptPeerings(state: string, provider: CryptoProvider): Promise<Result<Known, StartFailure>> {
  const kept = await keptConnections(state, provider);
  return kept.ok ? ok({ peerings: kept.value.peerings, unresolved: [] }) : err(environmentFailure(kept.error));
}

async function configuredPeers(
  file: string,
  { provider, resolveHost: resolve = resolveHost }: ConnectionsParts,
): Promise<Result<Known, StartFailure>> {
  const loaded = await loadConfig(file, { provider, resolveHost: resolve, clock: systemClock });
  if (!loaded.ok) return err({ kind: 'startFailure', exitCode: 2, text: formatFaults(file, loaded.error).join('\n') });
  const { connections, unresolved = [] } = loaded.value;
  for (const connection of connections) wipeSecrets(connection);
  return ok({ peerings: new Map(connections.map((connection) => [connection.name, [connection]])), unresolved });
}

function unresolvedText({ name, fault }: UnresolvedPeer): string {
  return `the traffic of ${name} is not known: ${fault.text}`;
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

/** An agent looks every ten seconds whether something is unblocked; its policies take as long as its kernel does. */
const CARRIED_OUT_MS = 20_000;
const LOOK_MS = 500;
/** Of those in a message. */
const MAX_NAMES = 10;
