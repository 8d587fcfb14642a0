import type { AgentProcess } from '../agent/agent-process.ts';
import type { HolderProcess } from '../agent/holder-process.ts';
import type { Capture } from '../capture/capture.ts';
import type { RecipeName } from '../host/recipe.ts';
import type { IpsecConfiguration } from '../libreswan/ipsec-conf.ts';
import type { Pluto } from '../libreswan/pluto.ts';
import type { Iked } from '../openiked/iked.ts';
import type { IkedConfiguration } from '../openiked/iked-conf.ts';
import type { Scraper, ScraperOptions } from '../prometheus/scraper.ts';
import type { Charon, CharonOptions } from '../strongswan/charon.ts';
import type { Completed } from '../topology/completed.ts';
import type { TopologyDescription } from '../topology/description.ts';
import type { LabNode } from '../topology/lab-node.ts';
import type { Link } from '../topology/link.ts';
import type { Topology } from '../topology/topology.ts';
import type { KeptConnection } from '../traffic/connection.ts';
import type { CountedStream, StreamEnd, StreamOptions } from '../traffic/counted-stream.ts';
import type { UdpEndpoint } from '../traffic/datagrams.ts';

/**
 * What the lab can run by name: the default export of a file in `scenarios/`, or one of a list there, such as one
 * definition for both roles.
 */
export interface Scenario {
  readonly name: string;
  /** One line: what is proven. */
  readonly description: string;
  /** Default 60 s; its daemons are then killed and it has failed. */
  readonly timeoutMs?: number;
  /** The scenario starts our agent, so the runner bundles it first. */
  readonly usesAgent?: boolean;
  /** The scenario starts a Prometheus, so the runner looks for one first. */
  readonly usesPrometheus?: boolean;
  /** The root folder that it needs. Default that of strongSwan. */
  readonly recipe?: RecipeName;
  /** Something in it filters or translates packets, which only the root folder's own kernel can. */
  readonly filtersPackets?: boolean;
  /** Worth its time only now and then: `--all` leaves it out without `--full`. */
  readonly rare?: boolean;
  /** Throws when anything is not as it should be. */
  run(lab: Lab): Promise<void>;
}

/** What a scenario builds with; everything it makes is removed when it ends, however it ends. */
export interface Lab {
  /** Logs, captures and whatever else is to be kept; on the host after the run. */
  readonly folder: string;
  /** Says what happens next. */
  step(text: string): void;
  /** Ends the scenario as skipped, which is counted and told: this kernel cannot show what it is about. */
  skip(reason: string): never;
  /** Creates nodes and links. A scenario has one topology. */
  topology<Node extends string, Wire extends string>(
    description: TopologyDescription<Node, Wire>,
  ): Promise<Topology<Node, Wire>>;
  /** Captures everything that crosses a link; the file is NAME.pcap, the link's name by default. */
  capture(link: Link, name?: string): Promise<Capture>;
  /** Starts numbered datagrams in both directions. */
  stream(options: Omit<StreamOptions, 'program'>): Promise<CountedStream>;
  /** Opens a TCP connection on which numbered lines are echoed until it is closed. */
  connection(client: StreamEnd, server: StreamEnd, port: number): Promise<KeptConnection>;
  /** Sends UDP datagrams from a node, from any port of it by default, and gives the answers to them. */
  sendDatagrams(
    node: LabNode,
    to: UdpEndpoint,
    datagrams: readonly Uint8Array[],
    from?: UdpEndpoint,
  ): Promise<readonly Uint8Array[]>;
  /** Starts a strongSwan daemon in a node. */
  charon(node: LabNode, options?: CharonOptions): Promise<Charon>;
  /** Starts a libreswan daemon in a node; the scenario's recipe must be libreswan. */
  pluto(node: LabNode, configuration: IpsecConfiguration): Promise<Pluto>;
  /** Starts an OpenIKED daemon in a node; the scenario's recipe must be openiked. */
  iked(node: LabNode, configuration: IkedConfiguration): Promise<Iked>;
  /** Runs our agent's program in a node with other words than those that start it, such as `unblock`. */
  agentCommand(node: LabNode, words: readonly string[]): Promise<Completed>;
  /** Starts our agent in a node with the text of its configuration file; `ready()` of the process waits for it. */
  agent(node: LabNode, configuration: string, options?: AgentOptions): Promise<AgentProcess>;
  /** Starts a Prometheus in a node; the scenario is skipped where there is none. */
  prometheus(node: LabNode, options: ScraperOptions): Promise<Scraper>;
  /** Starts a holder of sockets in a node, which answers at this path. */
  holder(node: LabNode, socket: string): Promise<HolderProcess>;
}

/** How our agent is started. */
export interface AgentOptions {
  /** A folder of manifests that it works from, as in a cluster, in place of its configuration file. */
  readonly manifests?: string;
  /** More words behind `--config FILE`. */
  readonly arguments?: readonly string[];
  /** Files beside the configuration, such as pre-shared keys, by name; readable by root only. */
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Path at which its holder answers. Default that of every agent, where nobody does. */
  readonly holder?: string;
  /** It is a child of that holder, which is started with it; the process that is started is the holder then. */
  readonly isChildOfHolder?: boolean;
  /** Path of its status socket. Default one of its own. */
  readonly socket?: string;
  /** Starts the agent of an earlier commit. */
  readonly earlier?: boolean;
  /** The beginning of a command that runs the rest of it, such as setpriv(1) with its options. */
  readonly under?: readonly string[];
}
