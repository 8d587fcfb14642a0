import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { chart } from '../charts/ikemesh/testing/helm.ts';
import { projectVersion } from '../hack/image/build-image.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import type { InstalledCluster } from './installed-cluster.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { allPairsEncrypt } from './sas.ts';

/** A node is rebooted that has the unit of the chart's README, and on which somebody sends from the first moment on. */
export function bootUnit(mesh: () => InstalledCluster): void {
  it('send nothing in plaintext from the boot of a node on, where the unit of the README blocks before the agent starts', async () => {
    await mesh().kubectl('wait', '--for=condition=Ready', '--timeout=150s', 'ipsecpeering/cluster');
    const readme = await readFile(join(chart, 'README.md'), 'utf8');
    const [other, node] = [mesh().cluster.node('a'), mesh().cluster.node('b')];
    const image = `ikemesh.io/ikemesh:${await projectVersion()}`;
    const install = blockOf(readme, 'mkdir -p /opt/ikemesh && ctr').replace('IMAGE', image);
    await node.succeed(['sh', '-c', install]);
    const sender = `[Service]\nExecStart=/bin/sh -c 'while :; do ping -c 1 -W 1 ${other.addresses[0]}; sleep 0.1; done'\n`;
    const units = [
      ['ikemesh-block.service', blockOf(readme, '# /etc/systemd/system/ikemesh-block.service')],
      ['sender.service', sender],
    ] as const;
    await node.succeed(['mkdir', '-p', '/etc/systemd/system']);
    for (const [name, input] of units) await node.succeed(['tee', pathOf(name)], { input });
    const capture = await mesh().cluster.capture('boot');
    await mesh().cluster.reboot(node.name);
    await allPairsEncrypt([other, node]);
    const log = '/var/log/sender.service.log';
    const isAnswered = async () => / 1 received/.test(await node.succeed(['tail', '-n', '6', log]));
    await waitUntil('what is sent to be answered', isAnswered, { timeoutMs: 30_000, intervalMs: 500 });
    const { packets } = await capture.stop();
    const between = packets.filter(
      ({ source, destination }) => node.addresses.includes(source) && other.addresses.includes(destination),
    );
    const said = await node.succeed(['cat', '/var/log/ikemesh-block.service.log']);
    process.stdout.write(`    agent block at the boot: ${said.trim().replaceAll('\n', '; ')}\n`);
    expect(between.filter(({ kind }) => kind === 'plaintext').map(({ summary }) => summary)).toEqual([]);
    expect(between.some(({ kind }) => kind === 'esp')).toBe(true);
    // It sent before it could be answered: so there was something to block.
    expect(await node.succeed(['head', '-c', '20000', log])).toMatch(
      /100% packet loss|unreachable|Resource temporarily/,
    );
    for (const [name] of units) await node.succeed(['rm', pathOf(name)]);
    await node.succeed(['pkill', '-f', 'while :; do ping']);
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: [other, node] }, () => delay(1_000));
  }, 300_000);
}

/** An indented block of a document, from the line that begins so. */
function blockOf(text: string, beginning: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim().startsWith(beginning));
  const length = lines.slice(start).findIndex((line) => !line.startsWith('    '));
  if (start < 0 || length < 0) throw new Error(`no block begins with ${beginning}`);
  return `${lines
    .slice(start, start + length)
    .map((line) => line.slice(4))
    .join('\n')}\n`;
}

function pathOf(unit: string): string {
  return `/etc/systemd/system/${unit}`;
}
