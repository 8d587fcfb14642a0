import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Manifest, meshManifest } from '../api/testing/manifests.ts';
import { joinNode } from '../testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, until } from '../testing/operator-cluster.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** `operator run` as a process of its own. */
class Candidate {
  readonly process: ChildProcess;
  log = '';
  errors = '';

  constructor(kubeconfig: string, name: string) {
    const words = [MAIN, 'run', '--trust-domain=mesh.test', `--kubeconfig=${kubeconfig}`, '--health-port=0'];
    const env = { ...process.env, POD_NAME: name, POD_NAMESPACE: PLACES.ownNamespace };
    this.process = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout?.on('data', (piece) => {
      this.log += piece;
    });
    this.process.stderr?.on('data', (piece) => {
      this.errors += piece;
    });
  }

  get leads(): boolean {
    return this.log.includes('"msg":"leading"');
  }

  /** Ends it by a signal; answers its exit code, null where the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    return ended;
  }
}

describe('several operators', () => {
  let cluster: OperatorCluster;
  const candidates: Candidate[] = [];
  const start = async (name: string) => {
    const candidate = new Candidate(await cluster.operatorKubeconfig(), name);
    candidates.push(candidate);
    return candidate;
  };
  const holder = async () =>
    ((await cluster.find<AnyObject>('Lease', 'ikemesh-operator', PLACES.ownNamespace))?.['spec'] as Spec | undefined)
      ?.holderIdentity ?? '';

  beforeAll(async () => {
    cluster = await OperatorCluster.start({});
    await cluster.apply(meshManifest as Manifest as unknown as AnyObject);
  });
  afterAll(async () => {
    const running = candidates.filter(({ process: each }) => each.exitCode === null && each.signalCode === null);
    await Promise.all(running.map((each) => each.end('SIGKILL')));
    await cluster?.close();
  });

  it('hand over within 15 s after the leader crashed, and only one of them writes', async () => {
    const first = await start('first');
    await until('the first leads', async () => first.leads || first.log + first.errors);
    const second = await start('second');
    await until('the second waits', async () => second.log.includes('the leader is first') || second.errors);
    await joinNode(cluster, 1);
    await until('the first works', async () => (await cluster.nodeConfigs()).length === 1);
    expect(second.leads).toBe(false);

    const crashed = performance.now();
    await first.end('SIGKILL');
    await joinNode(cluster, 2);
    await until('the second works', async () => (await cluster.nodeConfigs()).length === 2);
    expect((performance.now() - crashed) / 1_000).toBeLessThan(15);
    expect(await holder()).toMatch(/^second_/);
  });

  it('hand over at once when the leader is told to end, which it does in order', async () => {
    const third = await start('third');
    const second = candidates[1] as Candidate;
    await until('the third waits', async () => third.log.includes('the leader is second') || third.errors);
    const asked = performance.now();
    expect(await second.end('SIGTERM')).toBe(0);
    expect(second.log).toContain('"end":"stopped"');
    await until('the third leads', async () => third.leads);
    // The lease would have to end otherwise, ten seconds after it was renewed.
    expect((performance.now() - asked) / 1_000).toBeLessThan(6);
  });

  it('say what is missing and what to do, when they may read nothing or the kinds are not there', async () => {
    const stranger = new Candidate(await cluster.controlPlane.kubeconfigOf({ name: 'stranger' }), 'stranger');
    candidates.push(stranger);
    await until('it is refused', async () => stranger.log.includes('grant it to the operator') || stranger.log);
    await cluster.remove('CustomResourceDefinition', 'ipsecpeerslices.ikemesh.io');
    await until('the kind is gone', async () => {
      return (await cluster.find('CustomResourceDefinition', 'ipsecpeerslices.ikemesh.io')) === undefined;
    });
    const late = await start('late');
    await until('it says so', async () => late.log.includes("install ikemesh's CustomResourceDefinitions") || late.log);
  });
});

interface Spec {
  readonly holderIdentity: string;
}
