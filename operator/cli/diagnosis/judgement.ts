import type { IpsecPeering } from '../../api/ipsec-peering.ts';

type Condition = NonNullable<NonNullable<IpsecPeering['status']>['conditions']>[number];

/** A condition of a peering as it is written now; undefined where the operator judged an older generation. */
export function currentCondition(peering: IpsecPeering, type: string): Condition | undefined {
  const condition = conditionOf(peering, type);
  const { generation = 0 } = peering.metadata;
  return (condition?.observedGeneration ?? generation) < generation ? undefined : condition;
}

/** The generation of a peering that the operator has not looked at yet: what its status says is about another one. */
export function unseenGeneration(peering: IpsecPeering): number | undefined {
  const { generation } = peering.metadata;
  const seen = currentCondition(peering, 'Ready') !== undefined;
  return seen || conditionOf(peering, 'Ready') === undefined ? undefined : generation;
}

function conditionOf({ status }: IpsecPeering, type: string): Condition | undefined {
  return status?.conditions?.find((each) => each.type === type);
}
