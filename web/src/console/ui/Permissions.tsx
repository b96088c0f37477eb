import { Checkbox, Fieldset, Stack } from "@mantine/core";
import { useMay, useText } from "../core";
import { permissionGroups } from "./permissionGroups";

/** Permissions to choose, each with what it means. What one lacks one cannot give. */
export function Permissions(props: { value: string[]; set: (v: string[]) => void; extra?: string[]; readOnly?: boolean }) {
  const { t } = useText();
  const may = useMay();
  const groups = props.extra === undefined ? permissionGroups : [...permissionGroups, { key: "program", permissions: props.extra }];
  return (
    <Stack gap="md">
      {groups.map((g) => (
        <Fieldset key={g.key} legend={t(`permission_group.${g.key}`)} radius="md">
          <Stack gap="sm">
            {g.permissions.map((p) => {
              const beyond = !may(p) && p !== "login.decide";
              return (
                <Checkbox
                  key={p}
                  checked={props.value.includes(p)}
                  disabled={props.readOnly === true || beyond}
                  onChange={(e) => props.set(e.currentTarget.checked ? [...props.value, p] : props.value.filter((x) => x !== p))}
                  label={t(`permission.${p.replace(".", "_")}`)}
                  description={beyond && props.readOnly !== true ? t("permission_beyond") : t(`permission_about.${p.replace(".", "_")}`)}
                />
              );
            })}
          </Stack>
        </Fieldset>
      ))}
    </Stack>
  );
}
