import type { Scenario } from '../../hack/lab/runner/scenario.ts';
import { events } from './events.ts';
import { measure } from './measure.ts';
import { families, modes, rowName } from './row.ts';

/** A scenario of the lab for each row of the matrix. */
const scenarios: readonly Scenario[] = events.flatMap((event) =>
  modes.flatMap((mode) =>
    families.map((family): Scenario => {
      const place = { event: event.name, mode, family };
      return {
        name: rowName(place),
        description: event.description,
        usesAgent: true,
        // The longest events wait for minutes; what hangs is to be told all the same.
        timeoutMs: 420_000,
        run: (lab) => measure(lab, event, place),
      };
    }),
  ),
);
export default scenarios;
