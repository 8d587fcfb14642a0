import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { controlPlaneLinkLocal, type DualStack, withPrefix } from '../network/address-plan.ts';
import type { ClusterNode } from './cluster-node.ts';

/** A machine on the wires of the cluster that is none of its nodes, such as an outside gateway. */
export type Neighbour = Pick<ClusterNode, 'name' | 'addresses' | 'folder' | 'run' | 'succeed' | 'ip' | 'start'>;

export interface NeighbourFolderOptions {
  readonly folder: string;
  readonly name: string;
  readonly addresses: DualStack;
  /** Path of the program at the other end of its serial line. */
  readonly commands: string;
}

/** Makes the folder that a neighbour boots with. */
export async function makeNeighbourFolder({
  folder,
  name,
  addresses,
  commands,
}: NeighbourFolderOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const scripts = { 'boot-uml.sh': 'boot-neighbour.sh', 'start-neighbour.sh': 'start-neighbour.sh' };
  for (const [as, script] of Object.entries(scripts)) await copyFile(join(guestFolder, script), join(folder, as));
  const settings = [
    `NODE=${name}`,
    `ROUTER=${controlPlaneLinkLocal}`,
    `ADDRESSES='${withPrefix(addresses).join(' ')}'`,
    `PROGRAM_node_commands='${dirname(commands)}'`,
  ];
  await writeFile(join(folder, 'settings.sh'), `${settings.join('\n')}\n`);
}

const guestFolder = join(import.meta.dirname, '../guest');
