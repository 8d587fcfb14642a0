import type { Order, Plan } from './step.ts';

/** What one side does alone, and every two things that two sides may do at the same time, in every outcome by nonces. */
export function allPlans(losses: number): readonly Plan[] {
  const alone = ORDERS.flatMap((order): readonly Plan[] => [plan([order], [], losses), plan([], [order], losses)]);
  const crossing = ORDERS.flatMap((left) => ORDERS.map((right) => plan([left], [right], losses)));
  const mirrored = crossing.filter(({ left, right }) => left[0] === right[0]);
  return [...alone, ...crossing, ...mirrored.map((each) => ({ ...each, seeds: OTHER_OUTCOME }))];
}

/** A plan with the usual seeds. */
export function plan(left: readonly Order[], right: readonly Order[], losses: number): Plan {
  return { left, right, losses, seeds: ONE_OUTCOME };
}

/**
 * Whether to follow a plan takes as long as all others together, and more: both sides make a pair that is not the other's
 * successor, each on an IKE SA of its own, or for other traffic.
 */
export function isLong({ left, right }: Plan): boolean {
  return LONG.some(([one, other]) => {
    return (left.includes(one) && right.includes(other)) || (left.includes(other) && right.includes(one));
  });
}

/** `rekey | rekeyChild, one datagram lost` */
export function planText({ left, right, losses, seeds }: Plan): string {
  const sides = [left, right].map((orders) => orders.join(' then ') || 'nothing').join(' | ');
  const lost = losses === 0 ? 'nothing lost' : `${losses} lost`;
  return `${sides}, ${lost}, seeds ${seeds.join(' and ')}`;
}

const ORDERS: readonly Order[] = [
  'rekeyChild',
  'rekey',
  'reauthenticate',
  'terminateChild',
  'terminate',
  'changeTraffic',
];
const LONG: readonly (readonly [Order, Order])[] = [
  ['reauthenticate', 'reauthenticate'],
  ['changeTraffic', 'changeTraffic'],
  ['changeTraffic', 'rekeyChild'],
  ['changeTraffic', 'reauthenticate'],
];
const ONE_OUTCOME = [11, 22] as const;
const OTHER_OUTCOME = [22, 11] as const;
