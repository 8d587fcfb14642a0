import { describe, expect, it } from 'vitest';

import { isHostName } from '../api/scalars.ts';
import { nodeFqdn, trustDomainFault } from './identity.ts';
import { certificateName } from './names.ts';

const issuer = { group: 'cert-manager.io', kind: 'Issuer', name: 'mesh-ca' };

describe('the identity of a node', () => {
  it('is its name in the trust domain', () => {
    expect(nodeFqdn('node-a', 'mesh.test')).toBe('node-a.mesh.test');
    expect(nodeFqdn('ip-10-0-0-1.eu-west-1.compute.internal', 'mesh.test')).toBe(
      'ip-10-0-0-1.eu-west-1.compute.internal.mesh.test',
    );
  });

  it.each(['a'.repeat(253), `${`${'a'.repeat(60)}.`.repeat(4)}b`, 'a'.repeat(64), `${'x.'.repeat(100)}y`])(
    'is hashed where %s does not fit into DNS',
    (name) => {
      const fqdn = nodeFqdn(name, `${'t'.repeat(60)}.${'u'.repeat(60)}.test`);
      expect(isHostName(fqdn)).toBe(true);
      expect(fqdn.split('.').every((label) => label.length <= 63)).toBe(true);
    },
  );

  it('is never that of another node, even of one whose name was chosen to look hashed', () => {
    const victim = 'a'.repeat(100);
    const hashed = nodeFqdn(victim, 'mesh.test').replace('.mesh.test', '');
    expect(nodeFqdn(hashed, 'mesh.test')).not.toBe(nodeFqdn(victim, 'mesh.test'));
  });

  it.each(['Mesh.test', '-a.test', 'a..b', '', '1.2', `${'a.'.repeat(100)}b`])(
    'refuses the trust domain "%s"',
    (text) => {
      expect(trustDomainFault(text)).toBeDefined();
    },
  );

  it('takes the longest trust domain that leaves room for a hashed name', () => {
    const domain = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(62)}`;
    expect(trustDomainFault(domain)).toBeUndefined();
    expect(nodeFqdn('n'.repeat(200), domain).length).toBeLessThanOrEqual(253);
  });
});

describe('the name of a certificate', () => {
  it('is another for a node that was re-created, and for another issuer', () => {
    const name = certificateName({ name: 'node-a', uid: '1' }, issuer);
    expect(certificateName({ name: 'node-a', uid: '2' }, issuer)).not.toBe(name);
    expect(certificateName({ name: 'node-a', uid: '1' }, { ...issuer, kind: 'ClusterIssuer' })).not.toBe(name);
    expect(name).toMatch(/^ike-node-a-[0-9a-f]{16}$/);
  });

  it('has room for what cert-manager adds, however long the name of the node', () => {
    expect(certificateName({ name: `${'a'.repeat(41)}.${'b'.repeat(200)}`, uid: '1' }, issuer)).toMatch(
      /^ike-a{41}-[0-9a-f]{16}$/,
    );
    expect(certificateName({ name: 'a'.repeat(253), uid: '1' }, issuer).length).toBeLessThanOrEqual(63);
  });
});
