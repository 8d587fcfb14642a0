import { type HostCheck, hostChecks } from './host-checks.ts';
import { type HostInterface, type HostQuestions, hostFacts } from './host-facts.ts';

/** What `agent preflight --json` prints. */
export interface PreflightReport {
  readonly version: string;
  readonly kernel: string;
  readonly checks: readonly HostCheck[];
  readonly interfaces: readonly HostInterface[];
  /** By the clock of this host, read last. */
  readonly wallMs: number;
}

/** Looks whether this host can do what the agent needs, whether one runs here or not. */
export async function preflight(questions: HostQuestions, version: string): Promise<PreflightReport> {
  const facts = await hostFacts(questions);
  const { kernel, interfaces } = facts;
  const checks = hostChecks(facts);
  return { version, kernel, checks, interfaces, wallMs: Date.now() };
}

/** The same for people. */
export function preflightText({ checks }: PreflightReport): string {
  const lines = checks.flatMap(({ name, state, text, remedy }) => [
    `${name.padEnd(8)}${MARKS[state].padEnd(10)}${text}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(18)}${remedy}`]),
  ]);
  return `${lines.join('\n')}\n`;
}

const MARKS: Readonly<Record<HostCheck['state'], string>> = {
  ok: 'ok',
  doubtful: 'doubtful',
  wrong: 'WRONG',
  unknown: '?',
};
