// Who may import whom. A rule that hurts means that the design is wrong, not the rule.
const PURE = '^agent/(wire|ike|pki|mesh)/|^agent/crypto/(types|suites|keymat|prf-plus|bytes|secret|constant-time)[.]ts$|^agent/dataplane/(types|plan|ownership|texts)[.]ts$|^agent/result[.]ts$|^operator/(api|nodeconfig|policies)/';
const TESTS = '[.]test[.]ts$|/testing/';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'pure-has-no-effects',
      comment: 'The core, the codec and the decisions are data in, data out.',
      severity: 'error',
      from: { path: PURE, pathNot: TESTS },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-has-few-packages',
      severity: 'error',
      from: { path: PURE, pathNot: TESTS + '|^operator/nodeconfig/' },
      to: { dependencyTypes: ['npm', 'npm-optional', 'npm-peer'], pathNot: 'node_modules/(ipaddr[.]js|zod)/' },
    },
    {
      name: 'the-plan-hashes-names',
      comment: 'By a pure function in JavaScript. It protects no traffic, so no provider is passed in.',
      severity: 'error',
      from: { path: '^operator/nodeconfig/', pathNot: TESTS },
      to: { dependencyTypes: ['npm', 'npm-optional', 'npm-peer'], pathNot: 'node_modules/(ipaddr[.]js|zod|@noble/hashes)/' },
    },
    {
      name: 'pure-imports-pure',
      severity: 'error',
      from: { path: PURE, pathNot: TESTS },
      to: { path: '^(agent|operator|hack|e2e)/', pathNot: PURE + '|^agent/ports[.]ts$' },
    },
    {
      name: 'wire-is-below-the-core',
      severity: 'error',
      from: { path: '^agent/wire/', pathNot: TESTS },
      to: { path: '^agent/(ike|dataplane|runtime|sim|mesh|kube)/' },
    },
    {
      name: 'koffi-for-libc-and-libcrypto',
      severity: 'error',
      from: { pathNot: '^agent/native/(libc|libcrypto)[.]ts$' },
      to: { path: 'node_modules/koffi/' },
    },
    {
      name: 'native-for-netlink-and-transport',
      severity: 'error',
      from: { path: '^agent/', pathNot: '^agent/(native|holder)/|^agent/dataplane/(netlink|route|xfrm|probe)|^agent/runtime/(transport|udp)|' + TESTS },
      to: { path: '^agent/native/', pathNot: '^agent/native/libcrypto[.]ts$' },
    },
    {
      name: 'libcrypto-for-the-openssl-provider',
      severity: 'error',
      from: { path: '^agent/', pathNot: '^agent/crypto/openssl/|' + TESTS },
      to: { path: '^agent/native/libcrypto[.]ts$' },
    },
    {
      name: 'the-holder-is-tiny',
      comment: 'It runs beside every agent and is hardly ever changed: no package but koffi, and nothing of the agent.',
      severity: 'error',
      from: { path: '^agent/holder[.]ts$' },
      to: {
        path: '^agent/|node_modules/',
        pathNot: '^agent/(holder[.]ts|holder/|native/|result[.]ts)|node_modules/koffi/',
        reachable: true,
      },
    },
    {
      name: 'the-probe-is-tiny',
      comment: 'It runs on every node, every ten seconds.',
      severity: 'error',
      from: { path: '^agent/ready[.]ts$' },
      to: {
        path: '^agent/|node_modules/',
        pathNot: '^agent/(result|runtime/status/(readiness-client|status-socket))[.]ts',
        reachable: true,
      },
    },
    {
      name: 'operator-never-imports-agent',
      severity: 'error',
      from: { path: '^operator/' },
      to: { path: '^agent/' },
    },
    {
      name: 'controllers-know-no-kind',
      severity: 'error',
      from: { path: '^operator/controller/', pathNot: TESTS },
      to: { path: '^(agent|operator|hack|e2e)/', pathNot: '^operator/controller/' },
    },
    {
      name: 'client-node-finds-the-server-only',
      comment: 'It costs 80 MB and knows every kind; nobody else needs it.',
      severity: 'error',
      from: { pathNot: '^operator/kube/connection[.]ts$' },
      to: { path: 'node_modules/@kubernetes/client-node/' },
    },
    {
      name: 'prom-client-in-metrics',
      comment: 'What is measured is known there; everybody else tells facts.',
      severity: 'error',
      from: { pathNot: '^(agent|operator)/metrics/' },
      to: { path: 'node_modules/prom-client/' },
    },
    {
      name: 'agent-imports-only-the-api-of-the-operator',
      severity: 'error',
      comment: 'A test of the agent may have a cluster as the operator makes it.',
      from: { path: '^agent/', pathNot: TESTS },
      to: { path: '^operator/', pathNot: '^operator/api/' },
    },
    {
      name: 'no-test-material-in-production',
      comment: 'Simulation, the toy provider and tests are unreachable from a main.',
      severity: 'error',
      from: { path: '^(agent|operator)/(main|holder|ready)[.]ts$' },
      to: { path: '^agent/sim/|^agent/crypto/toy/|/testing/|' + TESTS, reachable: true },
    },
    {
      name: 'nobody-imports-tests-or-tools',
      severity: 'error',
      from: { path: '^(agent|operator)/', pathNot: TESTS + '|^agent/sim/' },
      to: { path: '^(hack|e2e)/|' + TESTS },
    },
    {
      name: 'the-simulator-imports-no-tests',
      comment: 'What tests are made with it may have: it is none of the product itself.',
      severity: 'error',
      from: { path: '^agent/sim/', pathNot: TESTS },
      to: { path: '^(hack|e2e)/|[.]test[.]ts$' },
    },
    {
      name: 'no-dev-packages-in-production',
      severity: 'error',
      from: { path: '^(agent|operator)/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/@types/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(node_modules|dist)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
};
