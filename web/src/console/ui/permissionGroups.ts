/** All permissions, by what they are about. */
export const permissionGroups: { key: string; permissions: string[] }[] = [
  {
    key: "people",
    permissions: [
      "account.read",
      "account.write",
      "account.help",
      "account.invite",
      "authenticator.read",
      "authenticator.write",
      "authenticator.revoke",
      "bypass.read",
      "bypass.write",
    ],
  },
  { key: "policy", permissions: ["settings.read", "settings.write", "policy.read", "policy.write", "policy.explain", "cache.write"] },
  { key: "watching", permissions: ["event.read", "act.read", "report.read", "diagnose", "login.test"] },
  {
    key: "system",
    permissions: [
      "system.read",
      "session.read",
      "session.write",
      "role.read",
      "role.write",
      "apikey.read",
      "apikey.write",
      "backup.read",
      "key.write",
    ],
  },
];
