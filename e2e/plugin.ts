import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { bundle } from '../hack/build/bundle.ts';
import type { ClusterNode } from '../hack/cluster/nodes/cluster-node.ts';
import { projectFolder } from '../hack/image/build-image.ts';
import { dumpStates } from '../hack/lab/xfrm/xfrm-dump.ts';
import { type InstalledCluster, namespace } from './installed-cluster.ts';

/**
 * What a user is told by kubectl ikemesh, as it is built, of two nodes `a` and `b` that encrypt: by kubelets and agents that
 * answer, not by the API server alone. Outputs are printed; those in operator/cli/README.md are from here.
 */
export function plugin(installed: () => InstalledCluster): void {
  const [a, b] = ['a', 'b'].map((name) => () => installed().cluster.node(name)) as [Get, Get];

  it('shows a user of kubectl ikemesh at a glance that all nodes encrypt (status)', async () => {
    const { code, stdout, stderr } = await run('status');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\ncluster +True +Required +2\/2 +1\/1 +Ready: /);
    for (const name of ['a', 'b'])
      expect(stdout).toMatch(new RegExp(`\\n${name} +Encrypting +1/1 +\\d+h\\d+m left +\\d`));
  }, 120_000);

  it('walks every stage between two nodes and finds nothing wrong (why)', async () => {
    const { code, stdout, stderr } = await run('why', 'a', 'b');
    expect([code, stderr]).toEqual([0, '']);
    const stages = [...stdout.matchAll(/^ {2}(\S+) +(ok|WRONG|\?|-)/gm)].map(([, stage, state]) => `${stage} ${state}`);
    const all = ['configuration', 'certificate', 'IKE', 'SA', 'policy', 'counters', 'path'];
    expect(stages).toEqual(all.map((stage) => `${stage} ok`));
    expect(stdout).toMatch(/\n\nnothing is wrong\n$/);
  }, 120_000);

  it('names what is wrong with the way between two nodes, and what to do (why)', async () => {
    const [, device = ''] =
      /^\d+: (\S+) /m.exec(await b().succeed(['ip', '-o', '-4', 'address', 'show', 'to', b().addresses[0]])) ?? [];
    await b().succeed(['ip', 'link', 'set', device, 'mtu', '1400']);
    try {
      const { code, stdout } = await run('why', 'a', 'b');
      expect(code).toBe(1);
      expect(stdout).toMatch(/^ {2}path +WRONG {2}the interface of \S+ on a has MTU 1500, that of \S+ on b 1400: /m);
      expect(stdout).toMatch(/^cause {3}MtusDiffer: .*\nremedy {2}give both the same MTU/m);
    } finally {
      await b().succeed(['ip', 'link', 'set', device, 'mtu', '1500']);
    }
  }, 120_000);

  it('lists every SA that the kernel of a node has, with its counters (sas)', async () => {
    const { code, stdout, stderr } = await run('sas', 'a');
    expect([code, stderr]).toEqual([0, '']);
    const listed = [...stdout.matchAll(/^ {4}(?:in|out) +([0-9a-f]{8}), +\d+ bytes, +\d+ packets/gm)];
    const kernel = (await dumpStates(a())).map(({ spi }) => spi.toString(16).padStart(8, '0'));
    expect(listed.map(([, spi]) => spi).sort()).toEqual(kernel.sort());
    expect(stdout).toMatch(/TRANSPORT, ESP:/);
    expect(stdout).toMatch(/TUNNEL, ESP:/);
  }, 120_000);

  it('proves by the counters of both kernels that nodes and pods are encrypted (verify)', async () => {
    const { code, stdout, stderr } = await run('verify');
    expect([code, stderr]).toEqual([0, '']);
    const [, encrypted, tried] = /^(\d+) of (\d+) encrypted: 10 UDP datagrams/m.exec(stdout) ?? [];
    expect(encrypted).toBe(tried);
    for (const way of [`transport, ${a().addresses[0]} to ${b().addresses[0]}`, 'tunnel, '])
      expect(stdout).toContain(way);
    for (const [, sent, received] of stdout.matchAll(/^[ab] → [ab] +(?:encrypted)? +(\d+) +\d+ +\d+ +(\d+) /gm))
      expect([sent, received]).toEqual(['10', '10']);
  }, 240_000);

  it('names the node whose packets leave in plaintext, while its SAs are all as they should be (verify)', async () => {
    const past = `src ${b().addresses[0]}/32 dst ${a().addresses[0]}/32 proto udp dir out`;
    await b().ip(`xfrm policy add ${past} priority 1`);
    try {
      const { code, stdout } = await run('verify', 'a', 'b');
      expect(code).toBe(1);
      const pair = `a - b \\(transport, ${a().addresses[0]} to ${b().addresses[0]}\\)`;
      expect(stdout).toMatch(
        new RegExp(`^${pair} {2}NotEncrypted: b sent \\d+ packets to a, and its SAs encrypted 0: `, 'm'),
      );
      expect(stdout).toMatch(/^a → b +encrypted .* transport, fd00/m);
    } finally {
      await b().ip(`xfrm policy delete ${past}`);
    }
  }, 240_000);

  it('finds that the nodes have what encryption needs, by their kernels (preflight)', async () => {
    const { code, stdout, stderr } = await run('preflight');
    expect([code, stderr]).toEqual([0, '']);
    const row =
      'ok +Ready +\\d+\\.\\d+\\S* +\\d+ algorithms +the agent +(\\d+)/\\1 heard +1500 +bridge, routed +[+-]\\d';
    for (const name of ['a', 'b']) expect(stdout).toMatch(new RegExp(`^${name} +${row}`, 'm'));
  }, 120_000);

  it('takes along what agents and their hosts say, and the logs (gather)', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'e2e-gather-'));
    try {
      const { code, stdout, stderr } = await run('gather', `--out=${join(folder, 'bundle')}`);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^\d+ files in /);
      for (const name of ['a', 'b']) {
        const status = await readFile(join(folder, 'bundle/agents', name, 'status.json'), 'utf8');
        expect(JSON.parse(status)).toMatchObject({ node: name });
        expect(await readFile(join(folder, 'bundle/agents', name, 'host.json'), 'utf8')).toContain('XfrmInNoStates');
      }
      const pods = (await installed().kubectl('get', 'pods', `--namespace=${namespace}`, '--output=name'))
        .trim()
        .split('\n');
      const logs = await readdir(join(folder, 'bundle/logs'));
      for (const pod of pods) expect(logs).toContain(`${pod.replace('pod/', '')}.log`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 120_000);

  async function run(...words: readonly string[]): Promise<Ended> {
    // The guests share this machine's processors.
    const given = [...words, `--kubeconfig=${installed().cluster.controlPlane.kubeconfig}`, '--request-timeout=60s'];
    const ended = await runProgram(await program(), given);
    process.stdout.write(
      `    $ kubectl ikemesh ${words.join(' ')}    # ${ended.code}\n${indented(ended.stdout + ended.stderr)}`,
    );
    expect(ended.stderr).not.toMatch(/^ {4}at /m);
    return ended;
  }
}

type Get = () => ClusterNode;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runProgram(file: string, words: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file, ...words], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}

/** The plugin as it is installed, built once. */
let built: Promise<string> | undefined;

function program(): Promise<string> {
  built ??= (async () => {
    const file = join(projectFolder, 'dist/e2e-plugin.js');
    await bundle(join(projectFolder, 'operator/cli/main.ts'), file);
    return file;
  })();
  return built;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}
