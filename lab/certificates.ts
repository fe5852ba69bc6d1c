import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type webcrypto,
} from "node:crypto";
import { isIP } from "node:net";
import type { ExtendedKeyUsage, KeyUsageFlags } from "@peculiar/x509";

/** What a key may be used for: names of RFC 5280, 4.2.1.3 and 4.2.1.12. */
export type KeyUsage = Exclude<keyof typeof KeyUsageFlags, number>;
export type ExtendedUsage = keyof typeof ExtendedKeyUsage;

/** The content of a certificate, and the issuer. */
export interface CertificateRequest {
  readonly commonName: string;
  /** The key of the certificate, PEM. */
  readonly privateKeyPem: string;
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  /** From now. */
  readonly validHours: number;
  readonly usages?: readonly KeyUsage[];
  readonly extendedUsages?: readonly ExtendedUsage[];
  /** A certificate authority that signs server certificates but no other authorities. */
  readonly isAuthority?: boolean;
  /** When left out, the certificate is self-signed. */
  readonly issuer?: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** Adds the identifiers of its own key and of its issuer's key. */
  readonly keyIdentifiers?: boolean;
}

/** A new ECDSA key on P-256, PKCS #8 in PEM. */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/**
 * Signs a certificate, X.509 version 3 in PEM.
 * @throws when a key is invalid, or not of the kind RSA, ECDSA on a NIST curve and Ed25519.
 */
export async function makeCertificate(request: CertificateRequest): Promise<string> {
  // Loaded when the first certificate is made: it takes longer than all other modules of an `up` that makes none.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const { commonName, names = [], usages = [], extendedUsages = [], issuer } = request;
  const key = createPrivateKey(request.privateKeyPem);
  const signer = issuer === undefined ? key : createPrivateKey(issuer.privateKeyPem);
  const publicKey = webKey(createPublicKey(key), ["verify"]);
  const authority = issuer && new x509.X509Certificate(issuer.certificatePem);
  const subject = [{ CN: [commonName] }];
  // Certificates have whole seconds.
  const from = Math.floor(Date.now() / 1000) * 1000;
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    // As it is there, type of text and all: Go compares the bytes.
    issuer: authority?.subjectName ?? subject,
    notBefore: new Date(from),
    notAfter: new Date(from + request.validHours * 3_600_000),
    publicKey,
    signingKey: webKey(signer, ["sign"]),
    signingAlgorithm: algorithmOf(signer),
    extensions: [
      new x509.BasicConstraintsExtension(
        request.isAuthority === true,
        request.isAuthority ? 0 : undefined,
        true,
      ),
      ...(usages.length === 0
        ? []
        : [
            new x509.KeyUsagesExtension(
              usages.reduce((bits, usage) => bits | x509.KeyUsageFlags[usage], 0),
              true,
            ),
          ]),
      ...(extendedUsages.length === 0
        ? []
        : [new x509.ExtendedKeyUsageExtension(extendedUsages.map((usage) => x509.ExtendedKeyUsage[usage]))]),
      ...(names.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
            ),
          ]),
      ...(request.keyIdentifiers ? [await x509.SubjectKeyIdentifierExtension.create(publicKey)] : []),
      ...(request.keyIdentifiers && authority
        ? [await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey)]
        : []),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

function webKey(key: KeyObject, uses: ("sign" | "verify")[]): webcrypto.CryptoKey {
  return key.toCryptoKey(algorithmOf(key), true, uses);
}

/** Node's names of curves to those of the Web Crypto API, each with the hash of its own length. */
const curves: Readonly<Record<string, readonly [namedCurve: string, hash: string]>> = {
  prime256v1: ["P-256", "SHA-256"],
  secp384r1: ["P-384", "SHA-384"],
  secp521r1: ["P-521", "SHA-512"],
};

function algorithmOf(key: KeyObject): { name: string; namedCurve?: string; hash?: string } {
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  switch (key.asymmetricKeyType) {
    case "rsa":
      return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    case "ec":
      if (curve !== undefined) return { name: "ECDSA", namedCurve: curve[0], hash: curve[1] };
      break;
    case "ed25519":
      return { name: "Ed25519" };
  }
  throw new Error(
    `a certificate's key is RSA, ECDSA on P-256, P-384 or P-521, or Ed25519, not ${key.asymmetricKeyType}`,
  );
}
