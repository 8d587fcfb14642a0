import { dirname } from 'node:path';

import type { Neighbour } from '../hack/cluster/nodes/neighbour.ts';
import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { type CharonIkeSa, parseListSas } from '../hack/lab/strongswan/list-sas.ts';
import { type Section, settingsText } from '../hack/lab/strongswan/settings.ts';
import {
  charonEnvironment,
  strongswanConf,
  swanctlFolders,
  viciSocket,
} from '../hack/lab/strongswan/strongswan-conf.ts';

export interface StrongswanOptions {
  /** Connections and secrets, as the sections of swanctl.conf. */
  readonly swanctl: Section;
  /** Files below the swanctl folder, such as `{'x509ca/ca.pem': '…'}`. */
  readonly files: Readonly<Record<string, string>>;
}

/** strongSwan as Debian has it, on a machine outside of the cluster. */
export class StrongswanGateway {
  readonly machine: Neighbour;

  private constructor(machine: Neighbour) {
    this.machine = machine;
  }

  /** Starts it; it waits for whoever calls. */
  static async start(machine: Neighbour, { swanctl, files }: StrongswanOptions): Promise<StrongswanGateway> {
    const gateway = new StrongswanGateway(machine);
    await machine.succeed(['mkdir', '-p', ...[...swanctlFolders, 'run'].map((name) => `${FOLDER}/${name}`)]);
    const all = {
      ...files,
      'strongswan.conf': settingsText(strongswanConf(FOLDER)),
      'swanctl.conf': settingsText(swanctl),
    };
    for (const [name, content] of Object.entries(all)) await gateway.#write(`${FOLDER}/${name}`, content);
    let log = '';
    const take = (piece: Uint8Array) => {
      log += Buffer.from(piece).toString();
    };
    const variables = Object.entries(charonEnvironment(FOLDER)).map(([name, value]) => `${name}=${value}`);
    const running = machine.start(['env', ...variables, '/usr/lib/ipsec/charon'], { stdout: take, stderr: take });
    // It ends with its machine.
    running.code.catch(() => undefined);
    await waitUntil('charon to listen', () => log.includes('worker threads'));
    await gateway.#swanctl('--load-all', '--clear', '--file', `${FOLDER}/swanctl.conf`);
    return gateway;
  }

  /** All IKE SAs with their Child SAs. */
  async listSas(): Promise<readonly CharonIkeSa[]> {
    const parsed = parseListSas(await this.#swanctl('--list-sas', '--pretty'));
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  }

  #swanctl(...words: readonly string[]): Promise<string> {
    return this.machine.succeed(['swanctl', ...words, '--uri', viciSocket(FOLDER)], {
      environment: charonEnvironment(FOLDER),
    });
  }

  async #write(path: string, content: string): Promise<void> {
    const script = 'mkdir -p "$1" && umask 077 && cat > "$2"';
    await this.machine.succeed(['sh', '-c', script, 'sh', dirname(path), path], { input: content });
  }
}

const FOLDER = '/tmp/charon';
