import { useMemo } from "react";
import { qrPath } from "./qr";

/** See Qr. */
export default function QrPicture({ value, label }: { value: string; label: string }) {
  const { path, side } = useMemo(() => qrPath(value), [value]);
  return (
    <svg className="sp-qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={side} height={side} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
