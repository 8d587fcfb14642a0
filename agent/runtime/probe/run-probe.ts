import { type DatagramSource, EncryptedSocket } from '../../dataplane/xfrm/encrypted-socket.ts';
import { xfrmErrors } from '../../metrics/xfrm-stat.ts';
import type { Clock, Dataplane, Timers } from '../../ports.ts';
import { err, ok, type Result } from '../../result.ts';
import { environmentFailure, type StartFailure } from '../start-failure.ts';
import { type ProbeCounts, ProbeExchange } from './probe-exchange.ts';
import { decodeProbe, encodeProbe } from './probe-message.ts';
import type { ProbePlan, ProbeTarget } from './probe-plan.ts';
import { type SaCount, SaCounts } from './sa-counts.ts';

/** What `agent probe` prints. */
export interface ProbeReport {
  readonly version: string;
  readonly targets: readonly TargetReport[];
  /** The kernel's IPsec errors that were added meanwhile, by name. */
  readonly xfrmErrors: Readonly<Record<string, number>>;
}

export interface TargetReport extends ProbeCounts {
  readonly name: string;
  readonly outbound: readonly SaCount[];
  readonly inbound: readonly SaCount[];
}

/** What the exchange needs of its host. */
export interface ProbeSurroundings {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly openDataplane: () => Result<Dataplane, string>;
  readonly version: string;
}

/**
 * Sends probes to all targets at once and answers theirs, on sockets that receive only what was decrypted; counts what the
 * kernel's SAs count meanwhile.
 */
export async function runProbe(
  plan: ProbePlan,
  { clock, timers, openDataplane, version }: ProbeSurroundings,
): Promise<Result<ProbeReport, StartFailure>> {
  const dataplane = openDataplane();
  if (!dataplane.ok) return err(environmentFailure(dataplane.error));
  const sockets = openSockets(plan);
  if (!sockets.ok) {
    dataplane.value.close();
    return sockets;
  }
  const errorsBefore = await xfrmErrors();
  const counts = new SaCounts(plan.targets);
  const look = (): void => {
    const dumped = dataplane.value.dump();
    if (dumped.ok) counts.look(dumped.value.sas);
  };
  look();
  const exchanges = beginExchanges(plan, sockets.value, clock);
  await new Promise<void>((resolve) => {
    let round = 0;
    const next = (): void => {
      const now = clock.monotonicMs();
      for (const exchange of exchanges) exchange.tick(now);
      if (round % ROUNDS_PER_LOOK === 0) look();
      round += 1;
      if (exchanges.every((exchange) => exchange.isOver(now))) resolve();
      else timers.after(ROUND_MS, next);
    };
    next();
  });
  look();
  const errorsAfter = await xfrmErrors();
  for (const socket of sockets.value.values()) socket.close();
  dataplane.value.close();
  const targets = plan.targets.flatMap((target, index): TargetReport[] => {
    const exchange = exchanges[index];
    return exchange === undefined ? [] : [{ name: target.name, ...exchange.counts, ...counts.of(target) }];
  });
  const added = [...errorsAfter].map(([name, count]) => [name, count - (errorsBefore.get(name) ?? 0)] as const);
  return ok({ version, targets, xfrmErrors: Object.fromEntries(added.filter(([, count]) => count > 0)) });
}

/** One socket for each own address and mode, by that. */
function openSockets(plan: ProbePlan): Result<ReadonlyMap<string, EncryptedSocket>, StartFailure> {
  const sockets = new Map<string, EncryptedSocket>();
  for (const target of plan.targets) {
    const key = socketKey(target);
    if (sockets.has(key)) continue;
    const port = portOf(plan, target);
    const opened = EncryptedSocket.open(target.local, port, target.mode);
    if (!opened.ok) {
      for (const socket of sockets.values()) socket.close();
      const { call, message, errno } = opened.error;
      const remedy =
        errno === 'EPERM' ? 'CAP_NET_ADMIN is missing' : 'choose another port, or see whose it is by ss -ulpn';
      return err(
        environmentFailure(`no socket for probes at ${target.local} port ${port}: ${call}: ${message}: ${remedy}`),
      );
    }
    sockets.set(key, opened.value);
  }
  return ok(sockets);
}

function beginExchanges(
  plan: ProbePlan,
  sockets: ReadonlyMap<string, EncryptedSocket>,
  clock: ProbeSurroundings['clock'],
): readonly ProbeExchange[] {
  const token = Uint8Array.from(Buffer.from(plan.token, 'hex'));
  const options = { probes: plan.probes, patienceMs: plan.patienceSeconds * 1_000, startedAt: clock.monotonicMs() };
  const byPeer = new Map<string, ProbeExchange>();
  const exchanges = plan.targets.map((target) => {
    const to: DatagramSource = { address: target.remote, port: portOf(plan, target) };
    const exchange = new ProbeExchange(options, (message) => {
      const sent = sockets.get(socketKey(target))?.send(to, encodeProbe(token, message));
      return sent?.ok === false ? sent.error.errno : undefined;
    });
    byPeer.set(`${socketKey(target)} ${to.address} ${to.port}`, exchange);
    return exchange;
  });
  for (const [key, socket] of sockets) {
    socket.onDatagram(({ address, port }, bytes) => {
      const message = decodeProbe(token, bytes);
      if (message !== undefined) byPeer.get(`${key} ${address} ${port}`)?.receive(clock.monotonicMs(), message);
    });
  }
  return exchanges;
}

function socketKey({ local, mode }: ProbeTarget): string {
  return `${local} ${mode}`;
}

/** An address that has both modes has a socket for each. */
function portOf({ port }: ProbePlan, { mode }: ProbeTarget): number {
  return mode === 'transport' ? port : port + 1;
}

const ROUND_MS = 20;
const ROUNDS_PER_LOOK = 10;
