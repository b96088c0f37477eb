import {
  browserSupportsWebAuthn,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
} from "@simplewebauthn/browser";

/** Why a passkey ceremony came to nothing; the texts under ui.passkey explain each. */
export type PasskeyTrouble = "unsupported" | "insecure" | "cancelled" | "registered" | "host" | "failed";

export class PasskeyError extends Error {
  readonly trouble: PasskeyTrouble;
  constructor(trouble: PasskeyTrouble, cause?: unknown) {
    super(`passkey: ${trouble}`, { cause });
    this.name = "PasskeyError";
    this.trouble = trouble;
  }
}

/** What a DOMException of WebAuthn means for people (Web Authentication Level 3, Sections 5.1.3 and 5.1.4). */
export function troubleOf(error: unknown): PasskeyTrouble {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "AbortError":
      return "cancelled";
    case "InvalidStateError":
      return "registered";
    case "SecurityError":
      return "host";
    case "NotSupportedError":
      return "unsupported";
    default:
      return "failed";
  }
}

function check(): void {
  if (!window.isSecureContext) throw new PasskeyError("insecure");
  if (!browserSupportsWebAuthn()) throw new PasskeyError("unsupported");
}

/** Accepts options as they stand or within { publicKey }. */
function inner<T>(options: unknown): T {
  const o = options as { publicKey?: T };
  return (o.publicKey ?? options) as T;
}

/** Makes a passkey and returns it as the API takes it. */
export async function makePasskey(options: unknown): Promise<unknown> {
  check();
  try {
    return await startRegistration({ optionsJSON: inner<PublicKeyCredentialCreationOptionsJSON>(options) });
  } catch (e) {
    throw new PasskeyError(troubleOf(e), e);
  }
}

/** Answers a challenge with a passkey. */
export async function showPasskey(options: unknown): Promise<unknown> {
  check();
  try {
    return await startAuthentication({ optionsJSON: inner<PublicKeyCredentialRequestOptionsJSON>(options) });
  } catch (e) {
    throw new PasskeyError(troubleOf(e), e);
  }
}
