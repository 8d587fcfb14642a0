import type { IpAddress } from '../../wire/ip-address.ts';
import type { ConnectionConfig, Path } from '../types.ts';
import type { Connection } from './connection.ts';

/** The configured connections, found by whatever a datagram, the kernel or the runtime calls them. */
export class Connections {
  readonly #byName = new Map<string, Connection>();
  readonly #byRemoteAddress = new Map<IpAddress | 'any', readonly Connection[]>();
  readonly #byReqid = new Map<number, Connection>();

  get size(): number {
    return this.#byName.size;
  }

  values(): IterableIterator<Connection> {
    return this.#byName.values();
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  get(name: string): Connection | undefined {
    return this.#byName.get(name);
  }

  /** The connection that has a Child with this reqid. */
  ofReqid(reqid: number): Connection | undefined {
    return this.#byReqid.get(reqid);
  }

  /** Whether a peer is configured for just this address. */
  hasAddress(remoteAddress: IpAddress): boolean {
    return this.#byRemoteAddress.has(remoteAddress);
  }

  /** The connections with peers that call from anywhere. */
  ofAnyAddress(): readonly Connection[] {
    return this.#ofAddress('any');
  }

  /** The connections that a stranger on `path` may turn out to be: those of its address first, then those of any. */
  candidates(path: Path): readonly Connection[] {
    const known = this.#ofAddress(path.remoteAddress);
    const any = this.#ofAddress('any');
    const all = any.length === 0 ? known : [...known, ...any];
    return all.filter((connection) => connection.config.localAddress === path.localAddress);
  }

  /** From here on it must get another configuration by `reconfigure` only, or it is not found. */
  add(connection: Connection): void {
    const { name, remoteAddress, children } = connection.config;
    this.#byName.set(name, connection);
    this.#byRemoteAddress.set(remoteAddress, [...this.#ofAddress(remoteAddress), connection]);
    for (const { reqid } of children) this.#byReqid.set(reqid, connection);
  }

  /**
   * Gives it a configuration with the same remote address, and maybe another name and other Children. It is still found
   * by the reqids of Children that are gone: their SAs have yet to go.
   */
  reconfigure(connection: Connection, config: ConnectionConfig): void {
    if (connection.config.name !== config.name) this.#byName.delete(connection.config.name);
    connection.config = config;
    this.#byName.set(config.name, connection);
    for (const { reqid } of config.children) this.#byReqid.set(reqid, connection);
  }

  remove(connection: Connection): void {
    const { name, remoteAddress } = connection.config;
    this.#byName.delete(name);
    const others = this.#ofAddress(remoteAddress).filter((other) => other !== connection);
    if (others.length === 0) this.#byRemoteAddress.delete(remoteAddress);
    else this.#byRemoteAddress.set(remoteAddress, others);
    for (const [reqid, owner] of this.#byReqid) if (owner === connection) this.#byReqid.delete(reqid);
    connection.timerAt = undefined;
  }

  #ofAddress(remoteAddress: IpAddress | 'any'): readonly Connection[] {
    return this.#byRemoteAddress.get(remoteAddress) ?? NOBODY;
  }
}

const NOBODY: readonly Connection[] = [];
