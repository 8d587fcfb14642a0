import type { Algorithm, EncryptionAlgorithm, GroupName, HashName } from './suites.ts';

/** A published answer that a provider has to reproduce; all byte strings in hexadecimal. */
export type KnownAnswer = AeadAnswer | CipherAnswer | HmacAnswer | KeyExchangeAnswer;

export interface AeadAnswer {
  readonly kind: 'aead';
  /** Key | salt. */
  readonly key: string;
  readonly iv: string;
  readonly associatedData: string;
  readonly plaintext: string;
  /** Ciphertext | ICV in full length. */
  readonly sealed: string;
}

export interface CipherAnswer {
  readonly kind: 'cipher';
  readonly key: string;
  readonly iv: string;
  readonly plaintext: string;
  readonly ciphertext: string;
}

export interface HmacAnswer {
  readonly kind: 'hmac';
  readonly key: string;
  readonly data: string;
  readonly mac: string;
}

export interface KeyExchangeAnswer {
  readonly kind: 'keyExchange';
  readonly privateKey: string;
  readonly publicValue: string;
  readonly peerPublicValue: string;
  readonly sharedSecret: string;
}

/**
 * The known answer of a row. Undefined for what computes nothing, and for MODP, whose private keys nobody can choose:
 * there the answer is that g to our private key is our public value.
 */
export function knownAnswerOf(row: Algorithm): KnownAnswer | undefined {
  switch (row.kind) {
    case 'aead':
    case 'cipher':
      return encryptions[row.construction][row.keyBits];
    case 'prf':
    case 'integrity':
      return hmacs[row.hash];
    case 'keyExchange':
      return keyExchanges[row.group];
    case 'sequenceNumbers':
      return undefined;
  }
}

function hex(...lines: readonly string[]): string {
  return lines.join('');
}

const gcmPlaintext = hex(
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525',
  'b16aedf5aa0de657ba637b39',
);

/** McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B: test cases 4, 10 and 16. */
const aesGcm: Readonly<Record<number, AeadAnswer>> = {
  128: {
    kind: 'aead',
    key: 'feffe9928665731c6d6a8f9467308308cafebabe',
    iv: 'facedbaddecaf888',
    associatedData: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext: gcmPlaintext,
    sealed: hex(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05',
      '1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    ),
  },
  192: {
    kind: 'aead',
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe',
    iv: 'facedbaddecaf888',
    associatedData: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext: gcmPlaintext,
    sealed: hex(
      '3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f47',
      '18e2448b2fe324d9ccda27102519498e80f1478f37ba55bd6d27618c',
    ),
  },
  256: {
    kind: 'aead',
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308cafebabe',
    iv: 'facedbaddecaf888',
    associatedData: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext: gcmPlaintext,
    sealed: hex(
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838',
      'c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    ),
  },
};

/** RFC 7634 appendix B, the IKEv2 example. */
const chacha20Poly1305: AeadAnswer = {
  kind: 'aead',
  key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3',
  iv: '1011121314151617',
  associatedData: 'c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029',
  plaintext: '0000000c000040010000000a00',
  sealed: '610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2',
};

const cbcPlaintext = '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51';

/** NIST SP 800-38A, F.2.1, F.2.3 and F.2.5: their first two blocks. */
const aesCbc: Readonly<Record<number, CipherAnswer>> = {
  128: {
    kind: 'cipher',
    key: '2b7e151628aed2a6abf7158809cf4f3c',
    iv: '000102030405060708090a0b0c0d0e0f',
    plaintext: cbcPlaintext,
    ciphertext: '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2',
  },
  192: {
    kind: 'cipher',
    key: '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b',
    iv: '000102030405060708090a0b0c0d0e0f',
    plaintext: cbcPlaintext,
    ciphertext: '4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a',
  },
  256: {
    kind: 'cipher',
    key: '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
    iv: '000102030405060708090a0b0c0d0e0f',
    plaintext: cbcPlaintext,
    ciphertext: 'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d',
  },
};

/** By the length of the key, 0 where there is one only. */
const encryptions: Readonly<
  Record<EncryptionAlgorithm['construction'], Readonly<Record<number, AeadAnswer | CipherAnswer>>>
> = { aesGcm, aesCbc, chacha20Poly1305: { 0: chacha20Poly1305 } };

/** RFC 2202 §3 for SHA-1, RFC 4231 §4.3 for the others: both test case 2. */
const hmacs: Readonly<Record<HashName, HmacAnswer>> = {
  sha1: {
    kind: 'hmac',
    key: '4a656665',
    data: '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
    mac: 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
  },
  sha256: {
    kind: 'hmac',
    key: '4a656665',
    data: '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
    mac: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  },
  sha384: {
    kind: 'hmac',
    key: '4a656665',
    data: '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
    mac: 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
  },
  sha512: {
    kind: 'hmac',
    key: '4a656665',
    data: '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
    mac: hex(
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd',
      'caeab1a34d4a6b4b636e070a38bce737',
    ),
  },
};

/** RFC 7748 §6.1 and §6.2 (their first side), RFC 5903 §8.1 to §8.3 (the initiator's side). */
const keyExchanges: Readonly<Partial<Record<GroupName, KeyExchangeAnswer>>> = {
  x25519: {
    kind: 'keyExchange',
    privateKey: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
    publicValue: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    peerPublicValue: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    sharedSecret: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  },
  x448: {
    kind: 'keyExchange',
    privateKey: hex(
      '9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d',
      '9ac2d8c0a598726b',
    ),
    publicValue: hex(
      '9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53',
      '177f80e532c41fa0',
    ),
    peerPublicValue: hex(
      '3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae',
      '07bdc1c67bf33609',
    ),
    sharedSecret: hex(
      '07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a',
      '449a5037514a879d',
    ),
  },
  p256: {
    kind: 'keyExchange',
    privateKey: 'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433',
    publicValue: hex(
      'dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59a',
      'b1f45b33accf5f58389e0577b8990bb3',
    ),
    peerPublicValue: hex(
      'd12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6a',
      'ac23f046ada30f8353e74f33039872ab',
    ),
    sharedSecret: 'd6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de',
  },
  p384: {
    kind: 'keyExchange',
    privateKey: '099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194',
    publicValue: hex(
      '667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa',
      '9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c',
    ),
    peerPublicValue: hex(
      'e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571',
      'dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c',
    ),
    sharedSecret: '11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746',
  },
  p521: {
    kind: 'keyExchange',
    privateKey: hex(
      '0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777',
      'f5957b2639bab072462f68c27a57382d4a52',
    ),
    publicValue: hex(
      '0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564',
      '941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4',
      'a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582',
    ),
    peerPublicValue: hex(
      '00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6',
      'c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207',
      '7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a',
    ),
    sharedSecret: hex(
      '01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06',
      'b3c715a3a8cc3151f2bee417996d19f3ddea',
    ),
  },
};
