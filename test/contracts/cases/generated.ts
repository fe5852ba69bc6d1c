import type { TypeCases } from "../format.ts";

const password = { length: 40, special: false };
const strongPassword = {
  length: 40,
  special: true,
  overrideSpecial: "-_.~",
  minLower: 2,
  minUpper: 2,
  minNumeric: 2,
  minSpecial: 2,
};

export const randomPassword: TypeCases = {
  plugin: "random",
  type: "random:index/randomPassword:RandomPassword",
  varies: ["result", "bcryptHash"],
  cases: [
    {
      name: "letters and digits",
      inputs: () => password,
      changes: {
        longer: (inputs) => ({ ...inputs, length: 41 }),
        "with symbols": (inputs) => ({ ...inputs, special: true }),
        "what is the default anyway": (inputs) => ({ ...inputs, upper: true, minLower: 0 }),
        "with keepers": (inputs) => ({ ...inputs, keepers: { version: "2" } }),
        "with digits left to the default": ({ length, special }) => ({
          length: length ?? 0,
          special: special ?? null,
        }),
      },
    },
    {
      name: "with minima",
      inputs: () => strongPassword,
      changes: {
        "other minimum": (inputs) => ({ ...inputs, minNumeric: 3 }),
        "other symbols": (inputs) => ({ ...inputs, overrideSpecial: "-_" }),
        "minima beyond the length": (inputs) => ({ ...inputs, length: 4 }),
      },
    },
    { name: "without a length", inputs: () => ({ special: false }) },
    { name: "of no length", inputs: () => ({ length: 0 }) },
    { name: "with an input that does not exist", inputs: () => ({ length: 8, symbols: true }) },
    { name: "with a text for a length", inputs: () => ({ length: "many" }) },
  ],
};

export const privateKey: TypeCases = {
  plugin: "tls",
  type: "tls:index/privateKey:PrivateKey",
  varies: [
    "privateKeyPem",
    "privateKeyPemPkcs8",
    "privateKeyOpenssh",
    "publicKeyPem",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
  ],
  cases: [
    {
      name: "ED25519",
      inputs: () => ({ algorithm: "ED25519" }),
      changes: { "another algorithm": () => ({ algorithm: "RSA" }) },
    },
    {
      name: "ECDSA on P256",
      inputs: () => ({ algorithm: "ECDSA", ecdsaCurve: "P256" }),
      changes: {
        "another curve": (inputs) => ({ ...inputs, ecdsaCurve: "P384" }),
        "the curve of the default": () => ({ algorithm: "ECDSA" }),
      },
    },
    {
      name: "ECDSA on the curve of the default",
      inputs: () => ({ algorithm: "ECDSA" }),
      changes: { "that curve named": (inputs) => ({ ...inputs, ecdsaCurve: "P224" }) },
    },
    { name: "an algorithm that does not exist", inputs: () => ({ algorithm: "DSA" }) },
    { name: "a curve that does not exist", inputs: () => ({ algorithm: "ECDSA", ecdsaCurve: "P100" }) },
    { name: "no algorithm", inputs: () => ({}) },
  ],
};

const year = 365 * 24;

/** The key is a thing: a recording has no private key in it. */
export const selfSignedCert: TypeCases = {
  plugin: "tls",
  type: "tls:index/selfSignedCert:SelfSignedCert",
  varies: ["certPem", "validityStartTime", "validityEndTime"],
  cases: [
    {
      name: "of a Postgres server",
      inputs: ({ privateKey = "" }) => ({
        privateKeyPem: privateKey,
        subject: { commonName: "togather_postgres" },
        dnsNames: ["togather_postgres"],
        allowedUses: ["digital_signature", "server_auth"],
        validityPeriodHours: 20 * year,
        earlyRenewalHours: 2 * year,
      }),
      changes: {
        "another name": (inputs) => ({ ...inputs, dnsNames: ["other"] }),
        "another subject": (inputs) => ({ ...inputs, subject: { commonName: "other" } }),
        "another validity": (inputs) => ({ ...inputs, validityPeriodHours: 10 * year }),
        "an earlier renewal": (inputs) => ({ ...inputs, earlyRenewalHours: 3 * year }),
        "uses in another order": (inputs) => ({
          ...inputs,
          allowedUses: ["server_auth", "digital_signature"],
        }),
        "an authority": (inputs) => ({ ...inputs, isCaCertificate: true }),
        "an unknown use": (inputs) => ({ ...inputs, allowedUses: ["everything"] }),
      },
    },
    {
      name: "due for renewal",
      inputs: ({ privateKey = "" }) => ({
        privateKeyPem: privateKey,
        dnsNames: ["due.example"],
        allowedUses: ["server_auth"],
        validityPeriodHours: 1,
        earlyRenewalHours: 1,
      }),
    },
    {
      name: "without uses",
      inputs: ({ privateKey = "" }) => ({ privateKeyPem: privateKey, validityPeriodHours: 1 }),
    },
    {
      name: "without a validity",
      inputs: ({ privateKey = "" }) => ({ privateKeyPem: privateKey, allowedUses: ["server_auth"] }),
    },
  ],
};
