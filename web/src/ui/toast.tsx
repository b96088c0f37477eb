import { notifications } from "@mantine/notifications";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import i18next from "i18next";
import { ProblemError, toProblem } from "~/api/problem";
import { sentence } from "./basics";

/** Short words about what was just done. They are read out by screen readers. */
export const toast = {
  ok(message: string): void {
    notifications.show({ message, color: "green", icon: <IconCheck size={18} aria-hidden />, autoClose: 4500, role: "status" });
  },
  problem(error: unknown): void {
    if (error instanceof ProblemError && error.is("step-up")) return; // they chose not to
    const p = toProblem(error);
    const detail = p.type === "/problems/unreachable" ? i18next.t("ui.problem.unreachable") : sentence(p.detail ?? p.title);
    notifications.show({
      title: i18next.t("ui.problem.title"),
      message: p.hint ? `${detail} ${sentence(p.hint)}` : detail,
      color: "red",
      icon: <IconAlertTriangle size={18} aria-hidden />,
      autoClose: 12_000,
      role: "alert",
    });
  },
};
