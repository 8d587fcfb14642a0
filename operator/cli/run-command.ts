import { ApiClient } from '../kube/api-client.ts';
import { type Choice, connectionBy, NoConnectionError } from '../kube/connection.ts';
import { VERSION } from '../version.ts';
import { NothingLearnedError } from './cluster/gather-facts.ts';
import type { Target } from './cluster/target.ts';
import { ExitCode } from './exit-code.ts';
import { type Format, linesText, type Outcome, outcomeText } from './outcome.ts';
import { Progress } from './progress.ts';
import { paintFor } from './text/colour.ts';

/** Where a command writes, and what it is told beside its arguments. */
export interface Surroundings {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly wallMs: () => number;
}

export interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** What every command can be told, in the words of kubectl. */
export interface GlobalFlags extends Omit<Choice, 'insecureSkipTlsVerify'> {
  readonly namespace?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly requestTimeout: number;
  readonly output: Format;
  readonly quiet: boolean;
}

/** Something that is wrong with the arguments or with what they name. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs a command to its end: prints what it has to say, and answers how the program ends. Nothing is thrown. */
export async function runCommand(
  flags: GlobalFlags,
  { stdout, stderr, env, wallMs }: Surroundings,
  act: (target: Target) => Promise<Outcome>,
): Promise<ExitCode> {
  const progress = new Progress(stderr, flags.quiet);
  try {
    const connection = connectionBy(flags);
    const target: Target = {
      connection,
      client: new ApiClient(connection, `kubectl-ikemesh/${VERSION}`),
      namespace: flags.namespace,
      timeoutMs: flags.requestTimeout,
      progress,
      wallMs,
    };
    const outcome = await act(target);
    progress.end();
    stdout.write(outcomeText(outcome, flags.output, paintFor(stdout, env)));
    if (outcome.lacks.length > 0) stderr.write(linesText(outcome.lacks.map((lack) => `not known: ${lack}`)));
    return outcome.code;
  } catch (error) {
    progress.end();
    return failed(error, stderr);
  }
}

function failed(error: unknown, stderr: Stream): ExitCode {
  const text = error instanceof Error ? error.message : String(error);
  stderr.write(`kubectl-ikemesh: ${text.split('\n')[0]}\n`);
  if (error instanceof UsageError) return ExitCode.Usage;
  if (error instanceof NoConnectionError || error instanceof NothingLearnedError) return ExitCode.NothingLearned;
  stderr.write('kubectl-ikemesh: that is a defect of the plugin; please report it with the command and this message\n');
  return ExitCode.NothingLearned;
}
