import { Command, CommanderError, Option } from 'commander';

import { err, ok, type Result } from '../result.ts';
import type { LogFormat, LogLevel } from './log/logger.ts';
import { VERSION } from './version.ts';

/** What the program is asked to do. */
export type Invocation =
  | RunInvocation
  | ClusterInvocation
  | { readonly kind: 'ready'; readonly socket: string }
  | { readonly kind: 'check'; readonly config: string }
  | { readonly kind: 'status'; readonly socket: string; readonly json: boolean }
  | { readonly kind: 'version' };

/** Run the agent until a signal ends it. */
export interface RunInvocation {
  readonly kind: 'run';
  readonly config: string;
  readonly socket: string;
  readonly flushOnExit: boolean;
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
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
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
    .option('--node-name <name>', 'with --kubernetes: name of the node; left out: NODE_NAME')
    .option('--namespace <name>', "with --kubernetes: namespace of the nodes' Secrets", DEFAULT_NAMESPACE)
    .option('--state <folder>', 'with --kubernetes: folder that outlives the pod', DEFAULT_STATE)
    .option('--check', 'print what the agent would do with the file, and touch nothing')
    .option(
      '--flush-on-exit',
      'tell the peers and remove our SAs and policies at the end, instead of leaving them',
      false,
    )
    .addOption(socketOption())
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
      const { kubernetes, config, ...rest } = options;
      if (kubernetes === true && (config !== undefined || options.check === true || options.flushOnExit)) {
        program.error('error: --kubernetes goes with none of --config, --check and --flush-on-exit');
      } else if (kubernetes === true)
        choose({ ...rest, kind: 'cluster', nodeName: rest.nodeName, logFormat: rest.logFormat });
      else if (options.config === undefined) program.error('error: --config FILE is missing (see --help)');
      else if (options.check === true) choose({ kind: 'check', config: options.config });
      else choose({ ...options, config: options.config, kind: 'run', logFormat: options.logFormat });
    });
  program
    .command('status')
    .description('show the peers and SAs of the agent that runs here, with the kernel’s counters')
    .option('--json', 'as one JSON object', false)
    .addOption(socketOption())
    .action((options: { readonly json: boolean; readonly socket: string }) => choose({ kind: 'status', ...options }));
  program
    .command('ready')
    .description('end with 0 where the agent that runs here with --kubernetes is ready; the probe of its pod')
    .addOption(socketOption())
    .action((options: { readonly socket: string }) => choose({ kind: 'ready', ...options }));
  program
    .command('version')
    .description('print the version')
    .action(() => choose({ kind: 'version' }));
  return program;
}

interface RunOptions {
  readonly config?: string;
  readonly check?: boolean;
  readonly kubernetes?: boolean;
  readonly nodeName?: string;
  readonly namespace: string;
  readonly state: string;
  readonly flushOnExit: boolean;
  readonly socket: string;
  readonly logFormat?: LogFormat;
  readonly logLevel: LogLevel;
}

function socketOption(): Option {
  return new Option('--socket <path>', 'Unix socket of the status').default(DEFAULT_SOCKET);
}

const DEFAULT_SOCKET = '/run/ikemesh/agent.sock';
const DEFAULT_NAMESPACE = 'ikemesh-nodes';
const DEFAULT_STATE = '/var/lib/ikemesh';
const USAGE_EXIT_CODE = 2;
const HELP = `
Signals:
  SIGHUP            read the file again and apply the difference; a faulty file changes nothing
  SIGTERM, SIGINT   end; SAs and policies stay in the kernel and go on protecting traffic (but see --flush-on-exit)

Environment:
  IKEMESH_CRYPTO    noble or openssl: force a cryptographic provider
  NODE_NAME, POD_UID, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT
                    with --kubernetes: which node and pod this is, and where the API server is

Exit codes:
  0  done
  2  the arguments or the configuration are wrong: one line for each fault, with the path of the field
  3  the host does not let us: a port is taken, CAP_NET_ADMIN is missing, the kernel has no ESP, no agent is running

ikemesh ${VERSION}`;
