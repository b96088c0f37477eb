/** "Firefox · Windows" out of what a browser calls itself; "" if nothing in it is known. */
export function browserOf(agent: string): string {
  const browsers: [RegExp, string][] = [
    [/\bEdg(e|A|iOS)?\//, "Edge"],
    [/\bOPR\//, "Opera"],
    [/\bFirefox\/|\bFxiOS\//, "Firefox"],
    [/\bChrom(e|ium)\/|\bCriOS\//, "Chrome"],
    [/\bSafari\//, "Safari"],
  ];
  const systems: [RegExp, string][] = [
    [/\biPhone\b/, "iPhone"],
    [/\biPad\b/, "iPad"],
    [/\bAndroid\b/, "Android"],
    [/\bWindows\b/, "Windows"],
    [/\bCrOS\b/, "ChromeOS"],
    [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
    [/\bLinux\b/, "Linux"],
  ];
  const name = (list: [RegExp, string][]) => list.find(([is]) => is.test(agent))?.[1];
  return [name(browsers), name(systems)].filter(Boolean).join(" · ");
}
