/** What the JSON reporter of Vitest writes, as far as it tells of failures. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Why a file did not load. */
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** A line for each test that failed and each file that did not load: where, which, and the beginning of why. */
export function failuresOfVitest({ testResults }: VitestReport, root: string): readonly string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = name.startsWith(`${root}/`) ? name.slice(root.length + 1) : name;
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`${file}: ${beginning(message)}`] : [];
    return failed.map((test) => `${file} > ${test.fullName}: ${beginning(test.failureMessages?.[0])}`);
  });
}

/** A line for each scenario of the lab that failed. */
export function failuresOfScenarios(
  scenarios: readonly { readonly name: string; readonly outcome: string; readonly reason?: string }[],
): readonly string[] {
  return scenarios
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ name, reason }) => `${name}: ${beginning(reason)}`);
}

function beginning(reason = 'no reason is given'): string {
  return reason.replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST_REASON);
}

const LONGEST_REASON = 1_500;
