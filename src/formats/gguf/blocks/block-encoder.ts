/** @param weights of the block begin at `first` @param packed its bytes begin at `at`, zeros */
export type EncodeBlock = (weights: Float32Array, first: number, packed: Uint8Array, at: number) => void;
