import type { DataplaneCommand } from '../../dataplane/types.ts';
import type { IkeAction } from '../types.ts';
import type { Pair, Side } from './pair.ts';
import { headline } from './scripted-peer.ts';

/** What a side does, as words in order: messages with their exchange, kernel commands with what they concern. */
export function recordActions(pair: Pair, side: Side, words: string[]): void {
  const handle = side.endpoint.handle.bind(side.endpoint);
  Object.assign(side.endpoint, {
    handle: (...args: Parameters<typeof handle>) => {
      const actions = handle(...args);
      words.push(...actions.flatMap((action) => word(pair, side, action)));
      return actions;
    },
  });
}

function word(pair: Pair, side: Side, action: IkeAction): readonly string[] {
  if (action.kind === 'transmit') {
    const [exchange, , kind] = headline(action.bytes);
    return [`${kind} ${exchange}`];
  }
  return action.kind === 'dataplane' ? [commandWord(pair, side, action.command)] : [];
}

function commandWord(pair: Pair, side: Side, command: DataplaneCommand): string {
  const spis = pair
    .status(side)
    .ikeSas.flatMap(({ children }) => children.flatMap((c) => [c.inboundSpi, c.outboundSpi]));
  const age = (spi: number): string => (spis.slice(0, 2).includes(spi) && spis.length > 2 ? 'old' : 'new');
  switch (command.kind) {
    case 'addSa':
      return `add ${command.sa.direction}`;
    case 'deleteSa':
      return `delete ${command.id.destination === side.address ? 'in' : 'out'}`;
    case 'putPolicy':
      return `pin ${command.policy.direction} ${command.policy.template?.spi === 0 ? 'open' : age(command.policy.template?.spi ?? 0)}`;
    case 'deletePolicy':
      return `deletePolicy ${command.key.direction}`;
    case 'updateEncapsulation':
      return 'ports';
    case 'queryCounters':
      return 'counters';
    case 'awaitSa':
      return 'await';
    case 'forgetSa':
      return 'forget';
  }
}
