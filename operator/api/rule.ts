import type * as z from 'zod';

/** A condition that a value must meet, said twice: for the API server in CEL, and for this program. */
export interface Rule<T> {
  /** CEL over `self`, of Kubernetes 1.33 or later. */
  readonly cel: string;
  readonly holds: (value: T) => boolean;
  /** One sentence: what is wanted, and how to write it. */
  readonly message: string;
  /** Where the sentence needs the value: the same sentence in CEL and here. */
  readonly explained?: { readonly cel: string; readonly text: (value: T) => string };
  /** The field below the value that is at fault; left out: the value itself. */
  readonly path?: readonly string[];
}

/** A rule about a change, which only the API server can judge. */
export interface TransitionRule {
  /** CEL over `self` and `oldSelf`. */
  readonly cel: string;
  readonly message: string;
}

/** One entry of `x-kubernetes-validations`. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
}

/** `schema` with rules that both zod and the API server apply. */
export function ruled<S extends z.ZodType>(schema: S, ...rules: readonly Rule<z.output<S>>[]): S {
  return rules.reduce((made: S, rule) => {
    const { holds, explained, message, path = [] } = rule;
    const refined = made.refine(holds, {
      path: [...path],
      error: ({ input }) => (explained === undefined ? message : explained.text(input as z.output<S>)),
    });
    return withValidation(refined, validationOf(rule), validationsOf(made));
  }, schema);
}

/** `schema` with rules about its changes, which the API server alone applies. */
export function changing<S extends z.ZodType>(schema: S, ...rules: readonly TransitionRule[]): S {
  return rules.reduce(
    (made: S, { cel, message }) => withValidation(made, { rule: cel, message }, validationsOf(made)),
    schema,
  );
}

/** The rules that a schema carries for the API server. */
export function validationsOf(schema: z.ZodType): readonly ValidationRule[] {
  return (schema.meta()?.[VALIDATIONS] as readonly ValidationRule[] | undefined) ?? [];
}

/** The key of the rules in a structural schema. */
export const VALIDATIONS = 'x-kubernetes-validations';

function withValidation<S extends z.ZodType>(schema: S, added: ValidationRule, before: readonly ValidationRule[]): S {
  return schema.meta({ ...schema.meta(), [VALIDATIONS]: [...before, added] });
}

function validationOf({ cel, message, explained, path }: Rule<never>): ValidationRule {
  return {
    rule: cel,
    message,
    ...(explained === undefined ? {} : { messageExpression: explained.cel }),
    ...(path === undefined ? {} : { fieldPath: path.map((part) => `.${part}`).join('') }),
  };
}
