import { Argument, Command, InvalidArgumentError, Option } from 'commander';

import type { Target } from './cluster/target.ts';
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from './completion/scripts.ts';
import { ExitCode } from './exit-code.ts';
import { type GatherFlags, gatherCommand } from './gather/gather-command.ts';
import { type Outcome, outcomeText } from './outcome.ts';
import { preflightCommand } from './preflight/preflight-command.ts';
import { renderCommand } from './render/render-command.ts';
import { type GlobalFlags, runCommand, type Surroundings } from './run-command.ts';
import { sasCommand } from './sas/sas-command.ts';
import { statusCommand } from './status/status-command.ts';
import { plainly } from './text/colour.ts';
import { type VerifyFlags, verifyCommand } from './verify/verify-command.ts';
import { clientVersion, versionCommand } from './version/version-command.ts';
import { whyCommand } from './why/why-command.ts';

/** The whole command line; `end` is told how the program ends. */
export function programOf(surroundings: Surroundings, end: (code: ExitCode) => void): Command {
  const program = new Command('kubectl-ikemesh')
    .description('Shows what ikemesh encrypts between the nodes of a cluster, why it does not, and what to do.')
    .usage('COMMAND [options]')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      writeErr: (text) => surroundings.stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText('after', EXIT_CODES);
  for (const option of globalOptions()) program.addOption(option);
  const act = (run: (target: Target, words: readonly string[], flags: object) => Promise<Outcome>) => {
    return async (...args: unknown[]): Promise<void> => {
      const command = args.at(-1) as Command;
      const flags = command.optsWithGlobals<GlobalFlags>();
      end(await runCommand(flags, surroundings, (target) => run(target, command.args, flags)));
    };
  };
  program
    .command('status')
    .description('the mesh as a table, what is worst first')
    .action(act((target) => statusCommand(target)));
  program
    .command('why')
    .description(
      'walk configuration, certificate, IKE, SA, policy, counters and path of a node, or of a node and a peer, and name ' +
        'the first thing that is wrong, with the remedy',
    )
    .argument('<node>', 'name of the Node')
    .argument('[peer]', 'another Node, a gateway’s address or the name of its peering')
    .action(act((target, [node = '', peer]) => whyCommand(target, node, peer)));
  program
    .command('sas')
    .description('every SA of a node, as swanctl --list-sas has them')
    .argument('<node>', 'name of the Node')
    .argument('[peer]', 'only those with this peer')
    .action(act((target, [node = '', peer]) => sasCommand(target, node, peer)));
  program
    .command('verify')
    .description(
      'send probes between nodes, and check at both ends that each was encrypted: all pairs, those of a node, or one',
    )
    .argument('[node]', 'name of a Node')
    .argument('[peer]', 'another Node')
    .option('--probes <number>', 'how many each node sends to each other', count(1, 100), 10)
    .option('--port <number>', 'UDP port of probes, and the next one; left out: any above 61000', count(1_024, 65_534))
    .action(act((target, [node, peer], flags) => verifyCommand(target, node, peer, flags as VerifyFlags)));
  program
    .command('preflight')
    .description(
      'whether nodes have what ikemesh needs, before it is installed and after: ESP, UDP 500 and 4500, MTU, kernel, network ' +
        'plugin, clock',
    )
    .argument('[node...]', 'only these nodes')
    .action(act((target, nodes) => preflightCommand(target, nodes)));
  program
    .command('render')
    .description('what applying an IPsecPeering would change, on which nodes; nothing is written')
    .requiredOption('-f, --filename <file...>', 'manifests; - is standard input')
    .action(
      act((target, _, flags) => renderCommand(target, (flags as { readonly filename: readonly string[] }).filename)),
    );
  program
    .command('gather')
    .description('a support bundle: objects, logs and what agents say, without keys, passwords and tokens')
    .option('--out <file>', 'a .tar.gz, or a folder; left out: ikemesh-gather-TIME.tar.gz')
    .option('--node <name...>', 'only the agents of these nodes are asked')
    .action(act((target, _, flags) => gatherCommand(target, flags as GatherFlags)));
  program
    .command('completion')
    .description('what a shell sources to complete commands, options and names of nodes')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .action((shell: Shell) => {
      surroundings.stdout.write(COMPLETION_SCRIPTS[shell]);
      end(ExitCode.Fine);
    });
  const asked = act((target) => versionCommand(target));
  program
    .command('version')
    .description('the version of the plugin, of the operator and of the agents')
    .option('--client', 'of the plugin alone; no cluster is asked', false)
    .action((flags: { readonly client: boolean }, command: Command) => {
      if (!flags.client) return asked(flags, command);
      const { output } = command.optsWithGlobals<GlobalFlags>();
      surroundings.stdout.write(outcomeText(clientVersion(), output, plainly));
      return end(ExitCode.Fine);
    });
  return program;
}

function globalOptions(): readonly Option[] {
  return [
    new Option('-o, --output <format>', 'how it is printed').choices(['table', 'json', 'yaml']).default('table'),
    new Option('-n, --namespace <name>', 'where ikemesh is installed; left out: it is looked for'),
    new Option('--kubeconfig <file>', 'left out: KUBECONFIG, or ~/.kube/config'),
    new Option('--context <name>', 'context of the kubeconfig'),
    new Option('--cluster <name>', 'cluster of the kubeconfig'),
    new Option('--user <name>', 'user of the kubeconfig'),
    new Option('-s, --server <url>', 'address of the API server'),
    new Option('--token <token>', 'bearer token for the API server'),
    new Option('--as <user>', 'act as somebody else'),
    new Option('--as-group <group...>', 'act as a member of groups'),
    new Option('--insecure-skip-tls-verify', 'do not check who the API server is'),
    new Option('--request-timeout <duration>', 'how long an answer may take, such as 5s or 1m')
      .argParser(duration)
      .default(10_000, '10s'),
    new Option('-q, --quiet', 'no progress on standard error').default(false),
  ];
}

/** A whole number between two. */
function count(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`a whole number from ${least} to ${most} is wanted.`);
  };
}

/** `5s`, `1m`, or seconds as kubectl takes them. */
function duration(text: string): number {
  const [, count = '', unit = 's'] = /^(\d{1,5})(s|m)?$/.exec(text) ?? [];
  if (count === '' || Number(count) === 0) throw new InvalidArgumentError('such as 5s or 1m is wanted.');
  return Number(count) * (unit === 'm' ? 60_000 : 1_000);
}

const EXIT_CODES = `
Exit codes:
  ${ExitCode.Fine}  all is as it should be
  ${ExitCode.Wrong}  something is wrong, and it was said what
  ${ExitCode.Usage}  the arguments or a manifest are wrong
  ${ExitCode.NothingLearned}  nothing could be learned: no kubeconfig, nobody answers, or nobody may be asked
  ${ExitCode.NotInstalled}  ikemesh is not installed in this cluster
  ${ExitCode.Incomplete}  what could be learned is fine, but not everything could be`;
