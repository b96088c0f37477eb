import type { Page as Listed, RoleView } from "../api/types";
import { useGet, useMay, useSession, useText } from "../core";

/** A role that may be given, in words. */
export interface GivenRole {
  name: string;
  label: string;
  about: string;
  /** It permits more than the signed-in role, so that they cannot give it. */
  beyond: boolean;
}

/** The roles that there are, for whoever gives one. */
export function useRoles(): { roles: GivenRole[]; error: Error | null } {
  const { t } = useText();
  const may = useMay();
  const session = useSession();
  const q = useGet<Listed<RoleView>>("/v1/roles", undefined, { enabled: may("role.read") });
  const roles = (q.data?.items ?? []).map((r) => {
    const beyond = r.permissions.some((p) => !session.permissions.includes(p));
    return {
      name: r.name,
      label: t(`role.name.${r.name}`, { defaultValue: r.name }),
      about: beyond
        ? t("account.role_beyond")
        : t(`role.about.${r.name}`, { defaultValue: t("role.custom_about", { count: r.permissions.length }) }),
      beyond,
    };
  });
  return { roles, error: q.error };
}
