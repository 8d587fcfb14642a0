import { err, ok, type Result } from '../result.ts';
import { parseIpAddress } from '../wire/ip-address.ts';

/** Where a server listens. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * Reads `10.0.0.1:9917` or `[fd00::1]:9917`. The port is what follows the last colon, so that brackets, which whoever puts
 * an address of either family in front of a port cannot know to write, may be left out.
 */
export function parseListenAddress(text: string): Result<ListenAddress, string> {
  const [, written = '', digits = ''] = /^(.+):([0-9]{1,5})$/.exec(text) ?? [];
  const address = parseIpAddress(written.replace(/^\[(.*)\]$/, '$1'));
  const port = Number(digits);
  if (address === undefined || port < 1 || port > 65_535)
    return err(`${JSON.stringify(text)} is not ADDRESS:PORT, such as 10.0.0.1:9917 or [::]:9917`);
  return ok({ address, port });
}
