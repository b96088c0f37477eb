/** Reply attributes as people write them, NAME=VALUE, without what is empty. */
export function attributesOf(texts: string[]): string[] {
  return texts.map((t) => t.trim()).filter((t) => t !== "");
}
