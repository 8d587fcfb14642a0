import type { InboundFate, OutboundFate, Packet } from '../dataplane/memory/packet.ts';
import type { TableState } from '../dataplane/memory/state-table.ts';
import type { SaId } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import type { EndpointStatus, Path, VerificationJob } from '../ike/types.ts';
import type { Rotation } from './certificates/rotation.ts';
import type { Deliveries } from './deliveries.ts';
import type { Host, VerificationOutcome } from './host.ts';
import type { Ledger } from './ledger.ts';
import type { Nat } from './nat.ts';
import type { Arrival } from './network.ts';
import type { PairPlan, Scenario } from './scenario.ts';
import type { Selection } from './selection.ts';
import type { Flow, Side } from './topology.ts';
import type { Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What must never fail; README.md says what each means. */
export type Invariant =
  | 'noThrow'
  | 'agreement'
  | 'authentication'
  | 'certificates'
  | 'reception'
  | 'delivery'
  | 'noSecondDelivery'
  | 'enforcement'
  | 'continuity'
  | 'ikePasses'
  | 'path'
  | 'amplification'
  | 'convergence'
  | 'residue'
  | 'noFalseAlarm'
  | 'espDropped'
  | 'proof'
  | 'departure'
  | 'progress'
  | 'deadlines'
  | 'determinism'
  /** The thread that ran the seed ended, or did not come to an end. */
  | 'noCrash';

/** An invariant that did not hold. */
export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly text: string;
}

/** Faults occur until the calm; then pairs settle, and when all have, they are watched for a while. */
export type Phase = 'disturbed' | 'settling' | 'watched';

/** What checks see of a simulation. */
export interface World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly hosts: readonly Host[];
  readonly flows: readonly Flow[];
  readonly ledger: Ledger;
  readonly deliveries: Deliveries;
  readonly nat: Nat | undefined;
  /** Undefined where peers prove themselves by pre-shared keys. */
  readonly rotation: Rotation | undefined;
  readonly trace: Trace;
  readonly phase: Phase;
  hostOf(node: number): Host;
  pairOf(pair: number): PairPlan;
  /** The host with this address; undefined for addresses of networks. */
  hostAt(address: string): Host | undefined;
  /** The SA at `host` that is the other end of one with this name: a NAT may make the destination another one. */
  stateAt(host: Host, id: SaId): TableState | undefined;
  /** Whether a NAT in front of a flow's receiver, if there is one, lets in what is sent on an SA. */
  passesNat(flow: Flow, sa: TableState): boolean;
  /** The name that its receiver has for an SA. */
  ownName(id: SaId): SaId;
  flowsFrom(node: number): readonly Flow[];
  flowsTo(node: number): readonly Flow[];
  flowsOf(pair: number): readonly Flow[];
  /** What the sender's kernel did with packets of a flow after the last change of its SAs and policies. */
  selected(flow: Flow): Selection;
  /** Whether a node's agent has been told to have a connection, and its kernel has not been lost since. */
  isWanted(pair: number, side: Side): boolean;
  /** Whether a node is configured for a connection, its agent being there or not. */
  isListed(pair: number, side: Side): boolean;
  isListedByBoth(pair: number): boolean;
  /** Ends the simulation with a violation. */
  violate(invariant: Invariant, text: string): void;
}

/** An invariant, told of everything that could break it. */
export interface Check {
  /** After each change of a host's SAs or policies, in the middle of action lists too. */
  kernelChanged?(host: Host): void;
  /** The sender's kernel would treat the next packet of a flow in another way than before. */
  selectionChanged?(flow: Flow, before: Selection, after: Selection): void;
  noted?(host: Host, fact: Fact): void;
  /** Before the core hears what a verifier has come to. */
  verified?(host: Host, job: VerificationJob, outcome: VerificationOutcome): void;
  packetSent?(flow: Flow, fate: OutboundFate): void;
  packetArrived?(flow: Flow, arrival: Arrival, packet: Packet, fate: InboundFate): void;
  datagramArrived?(host: Host, bytes: Uint8Array, arrival: Arrival): void;
  datagramSent?(host: Host, path: Path, bytes: Uint8Array): void;
  /** When everything that belongs to one event has happened. */
  eventEnded?(): void;
  /** About every virtual second, with what each host's agent says of itself, in the order of hosts. */
  tick?(statuses: readonly (EndpointStatus | undefined)[]): void;
}
