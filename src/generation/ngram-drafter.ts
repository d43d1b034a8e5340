export class NgramDrafter {
  constructor(_p: readonly number[], _o: { maxDraft: number }) {}
  add(_id: number): void {}
  draft(): readonly number[] {
    return [];
  }
}
