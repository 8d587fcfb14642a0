import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import { type ListenAddress, parseListenAddress } from '../metrics/listen-address.ts';
import type { MetricsSettings } from '../metrics/open-metrics.ts';
import { err, ok, type Result } from '../result.ts';
import { type IpAddress, parseIpAddress } from '../wire/ip-address.ts';
import type { LogFormat, LogLevel } from './log/logger.ts';
import type { HostQuestions } from './preflight/host-facts.ts';
import { VERSION } from './version.ts';

/** What the program is asked to do. */
export type Invocation =
  | RunInvocation
  | ClusterInvocation
  | ManifestInvocation
  | { readonly kind: 'ready'; readonly socket: string }
  | { readonly kind: 'check'; readonly config: string }
  | { readonly kind: 'status'; readonly socket: string; readonly json: boolean }
  | UnblockInvocation
  | BlockInvocation
  | LeaksInvocation
  | PreflightInvocation
  | ProbeInvocation
  | { readonly kind: 'version' };

/** Where it is written which packets a peering is about: a configuration file, or what an agent in a cluster has kept. */
export interface PolicySource {
  readonly config: string | undefined;
  readonly state: string;
}

/** Let pass what policies block. */
export interface UnblockInvocation extends PolicySource {
  readonly kind: 'unblock';
  /** Name of a peering, or of a peer of the file; undefined: everything of ours. */
  readonly peering: string | undefined;
  readonly undo: boolean;
}

/** Block what is Required until an agent has started. */
export interface BlockInvocation extends PolicySource {
  readonly kind: 'block';
}

/** Run the agent until a signal ends it. */
export interface RunInvocation {
  readonly kind: 'run';
  readonly config: string;
  readonly socket: string;
  /** Where the holder of the sockets of ESP in UDP is asked. */
  readonly holder: string;
  readonly refusePlainPathMtu: boolean;
  readonly probePathMtu: boolean;
  readonly flushOnExit: boolean;
  /** Undefined: as the file says. */
  readonly metrics: MetricsSettings | undefined;
  /** Undefined: human on a terminal, JSON elsewhere. */
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
}

/** Run the agent of a node of a cluster until a signal ends it. */
export interface ClusterInvocation {
  readonly kind: 'cluster';
  /** Undefined: NODE_NAME says it. */
  readonly nodeName: string | undefined;
  readonly namespace: string;
  readonly state: string;
  readonly socket: string;
  readonly holder: string;
  readonly refusePlainPathMtu: boolean;
  readonly probePathMtu: boolean;
  /** Undefined: no metrics are served. */
  readonly metrics: MetricsSettings | undefined;
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
}

/** Run the agent of a node from a folder of manifests until a signal ends it. */
export interface ManifestInvocation {
  readonly kind: 'manifests';
  readonly folder: string;
  /** Undefined: NODE_NAME says it, or the folder is for one node only. */
  readonly nodeName: string | undefined;
  readonly namespace: string;
  readonly socket: string;
  readonly holder: string;
  readonly refusePlainPathMtu: boolean;
  readonly probePathMtu: boolean;
  readonly flushOnExit: boolean;
  /** Undefined: no metrics are served. */
  readonly metrics: MetricsSettings | undefined;
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
}

/** Watch what leaves the node. */
export interface LeaksInvocation extends PolicySource {
  readonly kind: 'leaks';
  readonly seconds: number;
}

/** Look whether this host can do what an agent needs. */
export interface PreflightInvocation extends HostQuestions {
  readonly kind: 'preflight';
  readonly json: boolean;
}

/** Send probes to peers and answer theirs. */
export interface ProbeInvocation {
  readonly kind: 'probe';
  /** JSON. */
  readonly plan: string;
}

/** Output that takes the place of doing anything: help, or what is wrong with the arguments. */
export interface CommandLineEnd {
  readonly exitCode: number;
}

/** Reads the arguments behind the program's name; help and complaints have been written when it returns an error. */
export function parseCommandLine(args: readonly string[]): Result<Invocation, CommandLineEnd> {
  let invocation: Invocation | undefined;
  const program = programOf((chosen) => {
    invocation = chosen;
  });
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return err({ exitCode: error.exitCode === 0 ? 0 : USAGE_EXIT_CODE });
  }
  return invocation === undefined ? err({ exitCode: USAGE_EXIT_CODE }) : ok(invocation);
}

function programOf(choose: (invocation: Invocation) => void): Command {
  const program = new Command('agent')
    .description('Encrypts the traffic of this node with IPsec: speaks IKEv2 with the peers of a configuration file.')
    .enablePositionalOptions()
    .exitOverride()
    .version(VERSION, '--version', 'print the version')
    .option('-c, --config <file>', 'configuration file')
    .option('--kubernetes', 'do what the IPsecNodeConfig of this node says, instead of a file; for pods')
    .option('--manifests <folder>', 'the same, but from YAML or JSON files, without a cluster')
    .option('--node-name <name>', 'with --kubernetes or --manifests: name of the node; left out: NODE_NAME')
    .option(
      '--namespace <name>',
      "with --kubernetes or --manifests: namespace of the nodes' Secrets",
      DEFAULT_NAMESPACE,
    )
    .option('--state <folder>', 'with --kubernetes: folder that outlives the pod', DEFAULT_STATE)
    .option('--check', 'print what the agent would do with the file, and touch nothing')
    .option(
      '--flush-on-exit',
      'tell the peers and remove our SAs and policies at the end, instead of leaving them',
      false,
    )
    .addOption(socketOption())
    .option('--holder <path>', 'Unix socket of the holder, which keeps port 4500 open without an agent', DEFAULT_HOLDER)
    .option(
      '--refuse-plain-path-mtu',
      'drop ICMP "fragmentation needed" and "packet too big" of routers whose addresses are within what is encrypted',
      false,
    )
    .option(
      '--probe-path-mtu',
      'find out by packets to peers that are agents how long packets may be, also where ICMP is filtered',
      false,
    )
    .option('--metrics-listen <address:port>', 'serve metrics for Prometheus at this address', listenAddress)
    .option('--metrics-without-peers', 'no series of single peers among them: for meshes of many nodes', false)
    .option('--metrics-tls <folder>', 'serve them by TLS, with tls.crt and tls.key of this folder')
    .option(
      '--metrics-authentication',
      'with --kubernetes: serve them to those only whom RBAC lets get /metrics',
      false,
    )
    .option(
      '--status-page',
      'with --metrics-listen: serve a page for people at /status/ of the same address, under the same conditions',
      false,
    )
    .addOption(
      new Option('--log-format <format>', 'log for people or one JSON object a line; human on a terminal').choices([
        'human',
        'json',
      ]),
    )
    .addOption(
      new Option('--log-level <level>', 'what is logged at least')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', HELP)
    .action((options: RunOptions) => {
      const { kubernetes, config, manifests, check, metricsListen, metricsWithoutPeers, ...others } = options;
      const { metricsTls: tlsFolder, metricsAuthentication: authenticates, statusPage, ...rest } = others;
      const metrics = metricsListen && {
        listen: metricsListen,
        withPeers: !metricsWithoutPeers,
        ...(tlsFolder !== undefined && { tlsFolder }),
        ...(authenticates && { authenticates }),
        ...(statusPage && { statusPage }),
      };
      const sources = [kubernetes, config, manifests].filter((source) => source !== undefined);
      const { nodeName, logFormat } = options;
      if (sources.length === 0) program.error('error: --config FILE is missing (see --help)');
      else if (sources.length > 1) program.error('error: --config, --kubernetes and --manifests do not go together');
      else if (check === true && config === undefined) program.error('error: --check goes with --config');
      else if (authenticates && kubernetes !== true)
        program.error('error: --metrics-authentication goes with --kubernetes: there is nobody to ask');
      else if (statusPage && metrics === undefined)
        program.error('error: --status-page goes with --metrics-listen, which says where');
      else if (kubernetes === true && rest.flushOnExit)
        program.error('error: --kubernetes goes without --flush-on-exit');
      else if (kubernetes === true) choose({ ...rest, kind: 'cluster', metrics, nodeName, logFormat });
      else if (manifests !== undefined)
        choose({ ...rest, kind: 'manifests', metrics, folder: manifests, nodeName, logFormat });
      else if (config !== undefined && check === true) choose({ kind: 'check', config });
      else if (config !== undefined) choose({ ...rest, kind: 'run', metrics, config, logFormat });
    });
  program
    .command('status')
    .description('show the peers and SAs of the agent that runs here, with the kernel’s counters')
    .option('--json', 'as one JSON object', false)
    .addOption(socketOption())
    .action((options: { readonly json: boolean; readonly socket: string }) => choose({ kind: 'status', ...options }));
  program
    .command('ready')
    .description(
      'end with 0 where the agent that runs here with --kubernetes or --manifests is ready; the probe of its pod',
    )
    .addOption(socketOption())
    .action((options: { readonly socket: string }) => choose({ kind: 'ready', ...options }));
  program
    .command('unblock')
    .description(
      'the way out: have the kernel let pass in plaintext what a peering blocks, whether an agent runs or not; see the README',
    )
    .option('--peering <name>', 'name of the IPsecPeering, or with --config of the peer')
    .option('--all', 'everything that any agent of ours blocks, without a configuration', false)
    .option('--undo', 'carry the peering out again', false)
    .option('--config <file>', 'the configuration file of an agent without a cluster')
    .option('--state <folder>', 'folder in which an agent in a cluster keeps its configuration', DEFAULT_STATE)
    .action((options: UnblockOptions) => {
      const { peering, all, undo, config, state } = options;
      if ((peering === undefined) !== all) program.error('error: either --peering NAME or --all');
      else if (undo && (all || config !== undefined))
        program.error('error: --undo is for a peering of a cluster: otherwise start the agent again');
      else choose({ kind: 'unblock', peering, undo, config, state });
    });
  program
    .command('block')
    .description('install the policies that the agent begins with and end: for the time between boot and its start')
    .option('--config <file>', 'the configuration file of an agent without a cluster')
    .option('--state <folder>', 'folder in which an agent in a cluster keeps its configuration', DEFAULT_STATE)
    .action(({ config, state }: { readonly config?: string; readonly state: string }) =>
      choose({ kind: 'block', config, state }),
    );
  program
    .command('leaks')
    .description(
      'watch whether anything that is to be encrypted leaves this node in plaintext; needs CAP_NET_RAW. Ends with 1 where it does',
    )
    .option('--seconds <number>', 'how long', watchSeconds, 30)
    .option('--config <file>', 'the configuration file of an agent without a cluster')
    .option('--state <folder>', 'folder in which an agent in a cluster keeps its configuration', DEFAULT_STATE)
    .action(
      ({ seconds, config, state }: { readonly seconds: number; readonly config?: string; readonly state: string }) =>
        choose({ kind: 'leaks', seconds, config, state }),
    );
  program
    .command('preflight')
    .description(
      'look whether this host can do what an agent needs: ESP and its algorithms, UDP 500 and 4500, MTU; needs CAP_NET_ADMIN, ' +
        'and no agent. Ends with 1 where it cannot',
    )
    .option('--json', 'as one JSON object', false)
    .option('--address <address...>', 'addresses that peers are to reach it at', addAddress, [])
    .option('--towards <address...>', 'addresses of peers, the ways to which are looked at', addAddress, [])
    .addOption(socketOption())
    .action(({ address: addresses, towards, json, socket }: PreflightOptions) =>
      choose({ kind: 'preflight', addresses, towards, json, socket }),
    );
  program
    .command('probe')
    .description(
      'send probes to peers, whose agents do the same, and count what the kernel encrypts and decrypts meanwhile; for ' +
        'kubectl ikemesh verify. Needs CAP_NET_ADMIN',
    )
    .requiredOption('--plan <json>', 'to whom, and by which SAs')
    .action(({ plan }: { readonly plan: string }) => choose({ kind: 'probe', plan }));
  program
    .command('version')
    .description('print the version')
    .action(() => choose({ kind: 'version' }));
  return program;
}

interface UnblockOptions {
  readonly peering?: string;
  readonly all: boolean;
  readonly undo: boolean;
  readonly config?: string;
  readonly state: string;
}

interface PreflightOptions {
  readonly json: boolean;
  readonly address: readonly IpAddress[];
  readonly towards: readonly IpAddress[];
  readonly socket: string;
}

interface RunOptions {
  readonly config?: string;
  readonly check?: boolean;
  readonly kubernetes?: boolean;
  readonly manifests?: string;
  readonly nodeName?: string;
  readonly namespace: string;
  readonly state: string;
  readonly flushOnExit: boolean;
  readonly socket: string;
  readonly holder: string;
  readonly refusePlainPathMtu: boolean;
  readonly probePathMtu: boolean;
  readonly metricsListen?: ListenAddress;
  readonly metricsWithoutPeers: boolean;
  readonly metricsTls?: string;
  readonly metricsAuthentication: boolean;
  readonly statusPage: boolean;
  readonly logFormat?: LogFormat;
  readonly logLevel: LogLevel;
}

function listenAddress(text: string): ListenAddress {
  const parsed = parseListenAddress(text);
  if (parsed.ok) return parsed.value;
  throw new InvalidArgumentError(parsed.error);
}

function watchSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_WATCH_SECONDS) return seconds;
  throw new InvalidArgumentError(`write a whole number from 1 to ${MAX_WATCH_SECONDS}`);
}

function addAddress(text: string, before: readonly IpAddress[]): readonly IpAddress[] {
  const address = parseIpAddress(text);
  if (address === undefined) throw new InvalidArgumentError('write an IP address');
  if (before.length === MAX_ADDRESSES) throw new InvalidArgumentError(`write at most ${MAX_ADDRESSES}`);
  return [...before, address];
}

function socketOption(): Option {
  return new Option('--socket <path>', 'Unix socket of the status').default(DEFAULT_SOCKET);
}

/** So many ways are enough to see whether one is narrow. */
const MAX_ADDRESSES = 256;
/** A day. */
const MAX_WATCH_SECONDS = 86_400;
const DEFAULT_HOLDER = '/run/ikemesh/holder.sock';
const DEFAULT_SOCKET = '/run/ikemesh/agent.sock';
const DEFAULT_NAMESPACE = 'ikemesh-nodes';
const DEFAULT_STATE = '/var/lib/ikemesh';
const USAGE_EXIT_CODE = 2;
const HELP = `
Signals:
  SIGHUP            read the file or folder again and apply the difference; a faulty file changes nothing
  SIGTERM, SIGINT   end; SAs and policies stay in the kernel and go on protecting traffic (but see --flush-on-exit)

Environment:
  IKEMESH_CRYPTO    noble or openssl: force a cryptographic provider
  NODE_NAME, POD_UID, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT
                    with --kubernetes (and --manifests: NODE_NAME): which node and pod this is, and where the API server is

Exit codes:
  0  done
  2  the arguments or the configuration are wrong: one line for each fault, with the path of the field
  3  the host does not let us: a port is taken, CAP_NET_ADMIN is missing, the kernel has no ESP, no agent is running

ikemesh ${VERSION}`;
