import type { PlutoCredentials } from './nss-database.ts';

/** Options of a section of ipsec.conf by name. */
export type IpsecOptions = Readonly<Record<string, string | number>>;

/** What a pluto is configured with. */
export interface IpsecConfiguration {
  /** Options of `config setup`. */
  readonly setup?: IpsecOptions;
  /** Connections by name; each is one Child SA, and those between the same identities share an IKE SA. */
  readonly connections: Readonly<Record<string, IpsecOptions>>;
  /** Lines of ipsec.secrets. */
  readonly secrets?: readonly string[];
  /** Brings back what it has initiated and the peer has deleted, as pluto by itself does. Default no. */
  readonly revives?: boolean;
  /** What its NSS database holds. */
  readonly credentials?: PlutoCredentials;
}

/** The text of ipsec.conf. */
export function ipsecConfText(configuration: IpsecConfiguration): string {
  const connections = Object.entries(configuration.connections);
  return [
    section('config setup', configuration.setup ?? {}),
    ...connections.map(([name, options]) => section(`conn ${name}`, options)),
  ].join('\n');
}

function section(title: string, options: IpsecOptions): string {
  return [title, ...Object.entries(options).map(([name, value]) => `  ${name}=${valueText(value)}`), ''].join('\n');
}

/** Quoted, so that "#" and blanks are plain characters. */
function valueText(value: string | number): string {
  return typeof value === 'number' ? `${value}` : `"${value}"`;
}
