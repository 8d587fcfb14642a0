import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

import { type Ended, runProgram } from '../../../hack/cluster/control-plane/run-program.ts';
import { programPaths } from '../../../hack/cluster/programs/program-paths.ts';

/** The folder of the chart. */
export const chart: string = join(import.meta.dirname, '..');

/** A Kubernetes object, as far as tests of the chart look into all of them. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Helm, with a home of its own, so that nothing of the user's matters. */
export class Helm {
  readonly #program: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'ikemesh-chart-test-'));
  readonly #kubeconfig: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** Aborting the signal ends what runs. */
  constructor(program: string, kubeconfig?: string, signal?: AbortSignal) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
    this.#signal = signal;
  }

  run(...words: readonly string[]): Promise<Ended> {
    const kubeconfig = this.#kubeconfig === undefined ? {} : { KUBECONFIG: this.#kubeconfig };
    const signal = this.#signal === undefined ? {} : { signal: this.#signal };
    return runProgram(this.#program, words, { environment: { HOME: this.#home, ...kubeconfig }, ...signal });
  }

  /** What Helm says; its refusal is an error. */
  async succeed(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words);
    if (code !== 0) throw new Error(`helm ${words.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** The objects of a release with some values, each as `path=value`. */
  async render(
    values: readonly string[],
    release = 'ikemesh',
    namespace = 'ike',
  ): Promise<readonly KubernetesObject[]> {
    const words = ['template', release, chart, `--namespace=${namespace}`, ...valueWords(values)];
    return parseAllDocuments(await this.succeed(...words))
      .map((document) => document.toJS() as KubernetesObject | null)
      .filter((object) => object !== null);
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** Which Helm: the one that most have by now, or the major version before. */
export type HelmRelease = 'helm' | 'helm-3';

/** Builds Helm where the cache has none. */
export async function helmProgram(release: HelmRelease = 'helm'): Promise<string> {
  const paths = await programPaths([release], { say: (line) => process.stderr.write(`cluster: ${line}\n`) });
  return paths[release];
}

/** Values as flags, with a trust domain, which every release must have. */
export function valueWords(values: readonly string[]): readonly string[] {
  return ['trustDomain=test.ikemesh.internal', ...values].flatMap((value) => ['--set-json', asJson(value)]);
}

/** `--set-json` takes JSON, so that numbers stay numbers; what is no JSON is text. */
function asJson(value: string): string {
  const [path = '', ...rest] = value.split('=');
  const text = rest.join('=');
  try {
    JSON.parse(text);
    return `${path}=${text}`;
  } catch {
    return `${path}=${JSON.stringify(text)}`;
  }
}

/** The object of a kind with a name; there must be one. */
export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  const [one] = found;
  if (one === undefined || found.length > 1) throw new Error(`${found.length} objects ${kind}/${name}`);
  return one;
}
