import qrcode from "qrcode-generator";

/** A QR code as the path of an SVG: one square a module, and how many there are a side, quiet zone included. */
export function qrPath(text: string): { path: string; side: number } {
  const quiet = 4; // ISO/IEC 18004, Section 5.3.8
  const code = qrcode(0, "M");
  code.addData(text, "Byte");
  code.make();
  const n = code.getModuleCount();
  const parts: string[] = [];
  for (let row = 0; row < n; row++) {
    for (let col = 0; col < n; col++) {
      if (!code.isDark(row, col)) continue;
      const from = col;
      while (col + 1 < n && code.isDark(row, col + 1)) col++;
      parts.push(`M${from + quiet} ${row + quiet}h${col - from + 1}v1h-${col - from + 1}z`);
    }
  }
  return { path: parts.join(""), side: n + 2 * quiet };
}
