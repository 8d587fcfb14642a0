import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Packet } from '../../hack/lab/capture/packet.ts';
import type { Lab } from '../../hack/lab/runner/scenario.ts';
import { fullBuffers, readKernelDrops } from '../../hack/lab/traffic/kernel-drops.ts';
import { readXfrmStat, type XfrmStat, xfrmStatChange } from '../../hack/lab/xfrm/xfrm-stat.ts';
import type { LifecycleEvent } from './event.ts';
import { judge, type Measured } from './judge.ts';
import { LifecycleMesh } from './mesh.ts';
import { ROW_FILE, type RowPlace } from './row.ts';

/** Fills one row: packets flow, the event happens, and what became of them is written to a file. Throws when it is broken. */
export async function measure(lab: Lab, event: LifecycleEvent, place: RowPlace): Promise<void> {
  const mesh = await LifecycleMesh.create(lab, place, event.nodes ?? 2, event.settings ?? (() => ({})));
  const wire = await lab.capture(mesh.wire);
  const drops = await xfrmStats(mesh);
  await mesh.connect();
  lab.step('packets flow');
  await mesh.traffic.start(mesh.ends());
  lab.step(event.description);
  const failure = await failureOf(async () => {
    await event.run(mesh);
    await mesh.expectForeignUntouched();
  });
  const traffic = await mesh.traffic.report(mesh.outageSeconds);
  const { packets } = await wire.stop();
  const row = judge(place, event, {
    traffic,
    failure,
    outageSeconds: mesh.outageSeconds,
    drops: [...(await dropsSince(mesh, drops)), ...(await notReadInTime(mesh))],
    ...wireOf(mesh, packets),
  });
  writeFileSync(join(lab.folder, ROW_FILE), JSON.stringify(row));
  if (row.outcome === 'broken') throw new Error(row.why);
  lab.step(`${traffic.sent} packets sent, ${traffic.lost} lost`);
}

/** What crossed the wire. */
function wireOf(
  mesh: LifecycleMesh,
  packets: readonly Packet[],
): Pick<Measured, 'espPackets' | 'plaintextPackets' | 'leaked'> {
  const plaintext = packets.filter(({ kind }) => kind === 'plaintext');
  return {
    espPackets: packets.filter(({ kind }) => kind === 'esp' || kind === 'espInUdp').length,
    plaintextPackets: plaintext.length,
    leaked: plaintext.filter(({ at }) => at === undefined || mesh.wasToBeEncrypted(at)).map(({ summary }) => summary),
  };
}

async function failureOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What arrived and was not read, which is no fault of IPsec: the machine has too much to do for this rate. */
async function notReadInTime(mesh: LifecycleMesh): Promise<readonly string[]> {
  const counts = mesh.names.map(async (name) => [name, fullBuffers(await readKernelDrops(mesh.node(name)))] as const);
  return (await Promise.all(counts)).flatMap(([name, count]) =>
    count === 0 ? [] : [`${count} arrived on ${name} and were not read in time: this machine is too busy to tell`],
  );
}

async function xfrmStats(mesh: LifecycleMesh): Promise<ReadonlyMap<string, XfrmStat>> {
  const stats = mesh.names.map(async (name) => [name, await readXfrmStat(mesh.node(name))] as const);
  return new Map(await Promise.all(stats));
}

/** Why IPsec dropped packets, which says most of what a loss is due to. */
async function dropsSince(mesh: LifecycleMesh, before: ReadonlyMap<string, XfrmStat>): Promise<readonly string[]> {
  const after = await xfrmStats(mesh);
  return [...before].flatMap(([name, counters]) => {
    const changes = Object.entries(xfrmStatChange(counters, after.get(name) ?? new Map()));
    return changes.map(([reason, count]) => `${reason} ${count} on ${name}`);
  });
}
