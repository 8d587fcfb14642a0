import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { IkeDaemon, type IkeSa, type SaName } from '../ike-daemon/ike-daemon.ts';
import { type Completed, complete, succeed } from '../topology/completed.ts';
import type { Daemon } from '../topology/daemon.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { dumpStates } from '../xfrm/xfrm-dump.ts';
import { type IkedConfiguration, ikedConfText, writeIkedFiles } from './iked-conf.ts';
import { listIkedSas } from './list-sas.ts';

/** An OpenIKED iked that runs in one node, driven by ikectl; several run beside each other. */
export class Iked extends IkeDaemon {
  readonly #folder: string;
  readonly #configuration: IkedConfiguration;

  private constructor(node: LabNode, daemon: Daemon, folder: string, configuration: IkedConfiguration) {
    super(node, daemon);
    this.#folder = folder;
    this.#configuration = configuration;
  }

  /** Starts an iked and waits until it listens; it begins nothing by itself. */
  static async start(node: LabNode, configuration: IkedConfiguration): Promise<Iked> {
    const folder = mkdtempSync(join(tmpdir(), `iked-${node.name}-`));
    const own = join(folder, 'etc');
    mkdirSync(own);
    writeIkedFiles(own, configuration.files ?? {});
    // It does not start without a key, whatever it proves itself by.
    if (configuration.files?.['private/local.key'] === undefined) await makeKey(own);
    for (const begins of ['active', 'passive'] as const) {
      writeFileSync(join(folder, `${begins}.conf`), ikedConfText(configuration, begins), { mode: 0o600 });
    }
    await succeed(['modprobe', 'af_key']);
    const command = `mount --bind ${own} /etc/iked && exec iked -dvv -f ${folder}/passive.conf -s ${socket(folder)}`;
    const daemon = node.spawn('iked', ['sh', '-c', command]);
    const iked = new Iked(node, daemon, folder, configuration);
    await iked.logged('config_getcompile: compilation done');
    return iked;
  }

  /** Begins; a negotiation that comes to nothing in that time is a code other than 0, with iked's words in the output. */
  async initiate(_name: SaName, timeoutSeconds = 20): Promise<Completed> {
    const before = this.log().length;
    const loaded = await this.ikectl('load', join(this.#folder, 'active.conf'));
    if (loaded.code !== 0) return loaded;
    const established = () => this.log().slice(before).includes(': established peer ');
    for (let waited = 0; waited < timeoutSeconds * 1000 && !established(); waited += POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    // Else it would begin again a minute after the peer has ended everything.
    await this.ikectl('load', join(this.#folder, 'passive.conf'));
    return { code: established() ? 0 : 1, stdout: this.log().slice(before), stderr: '' };
  }

  /** Ends every IKE SA with the peer by a Delete. It cannot be told to end a Child SA. */
  terminate(name: SaName): Promise<Completed> {
    if ('child' in name) throw new Error('iked cannot be told to end a Child SA');
    return this.ikectl('reset', 'id', `FQDN/${this.#configuration.identities.remote}`);
  }

  /** It rekeys by itself only, at the end of its lifetimes. */
  rekey(): Promise<Completed> {
    throw new Error('iked cannot be told to rekey; give it a short lifetime');
  }

  async listSas(): Promise<readonly IkeSa[]> {
    const shown = await this.ikectl('show', 'sa');
    if (shown.code !== 0) throw new Error(`ikectl show sa on ${this.node.name}: ${shown.stderr}`);
    const { name } = this.#configuration;
    return listIkedSas({ sas: shown.stdout, log: this.log(), kernel: await dumpStates(this.node), name });
  }

  /** Runs ikectl against this iked. */
  ikectl(...words: readonly string[]): Promise<Completed> {
    return complete(['ikectl', '-s', socket(this.#folder), ...words]);
  }
}

async function makeKey(folder: string): Promise<void> {
  const key = join(folder, 'private/local.key');
  await succeed(['openssl', 'ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', key]);
  await succeed(['openssl', 'ec', '-in', key, '-pubout', '-out', join(folder, 'local.pub')]);
}

function socket(folder: string): string {
  return join(folder, 'iked.sock');
}

const POLL_MS = 100;
