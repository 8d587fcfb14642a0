import type { InboundFate, OutboundFate, Packet } from '../../dataplane/memory/packet.ts';
import type { Fact } from '../../ike/fact.ts';
import type { EndpointStatus, Path, VerificationJob } from '../../ike/types.ts';
import type { Host, VerificationOutcome } from '../host.ts';
import type { Arrival } from '../network.ts';
import type { Selection } from '../selection.ts';
import type { Flow } from '../topology.ts';
import type { Check, World } from '../world.ts';
import { AgreementCheck } from './agreement.ts';
import { AlarmsCheck } from './alarms.ts';
import { AmplificationCheck } from './amplification.ts';
import { AuthenticationCheck } from './authentication.ts';
import { CertificatesCheck } from './certificates.ts';
import { ContinuityCheck } from './continuity.ts';
import { ConvergenceCheck } from './convergence.ts';
import { DepartureCheck } from './departure.ts';
import { EnforcementCheck } from './enforcement.ts';
import { EspDroppedCheck } from './esp-dropped.ts';
import { PathCheck } from './path.ts';
import { ProofCheck } from './proof.ts';
import { ReceptionCheck } from './reception.ts';
import { ResidueCheck } from './residue.ts';

/** All checks of a simulation, each of which is told of what it asks for. */
export class CheckList implements Required<Check> {
  readonly reception: ReceptionCheck;
  readonly convergence: ConvergenceCheck;
  readonly certificates: CertificatesCheck;
  readonly departures: DepartureCheck;
  readonly #checks: readonly Check[];
  /** Those that are to hear when an event is over: there are many events. */
  readonly #endsOfEvents: readonly Check[];

  constructor(world: World) {
    this.reception = new ReceptionCheck(world);
    this.convergence = new ConvergenceCheck(world);
    this.certificates = new CertificatesCheck(world);
    this.departures = new DepartureCheck(world);
    this.#checks = [
      new AgreementCheck(world),
      this.certificates,
      new AuthenticationCheck(world),
      this.reception,
      new EnforcementCheck(world),
      new ContinuityCheck(world),
      new PathCheck(world),
      this.convergence,
      new ResidueCheck(world),
      this.departures,
      new AmplificationCheck(world),
      new AlarmsCheck(world),
      new EspDroppedCheck(world),
      new ProofCheck(world),
    ];
    this.#endsOfEvents = this.#checks.filter(({ eventEnded }) => eventEnded !== undefined);
  }

  kernelChanged(host: Host): void {
    for (const check of this.#checks) check.kernelChanged?.(host);
  }

  selectionChanged(flow: Flow, before: Selection, after: Selection): void {
    for (const check of this.#checks) check.selectionChanged?.(flow, before, after);
  }

  noted(host: Host, fact: Fact): void {
    for (const check of this.#checks) check.noted?.(host, fact);
  }

  verified(host: Host, job: VerificationJob, outcome: VerificationOutcome): void {
    for (const check of this.#checks) check.verified?.(host, job, outcome);
  }

  packetSent(flow: Flow, fate: OutboundFate): void {
    for (const check of this.#checks) check.packetSent?.(flow, fate);
  }

  packetArrived(flow: Flow, arrival: Arrival, packet: Packet, fate: InboundFate): void {
    for (const check of this.#checks) check.packetArrived?.(flow, arrival, packet, fate);
  }

  datagramArrived(host: Host, bytes: Uint8Array, arrival: Arrival): void {
    for (const check of this.#checks) check.datagramArrived?.(host, bytes, arrival);
  }

  datagramSent(host: Host, path: Path, bytes: Uint8Array): void {
    for (const check of this.#checks) check.datagramSent?.(host, path, bytes);
  }

  eventEnded(): void {
    for (const check of this.#endsOfEvents) check.eventEnded?.();
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    for (const check of this.#checks) check.tick?.(statuses);
  }
}
