/** Of a mixture of experts. */
export interface ExpertsShape {
  readonly count: number;
  /** Experts that read a token. */
  readonly perToken: number;
  /** Inner width of one of them. */
  readonly intermediateSize: number;
}

/** The sizes of a model: each family reads them off its published config, and all else reads them here. */
export interface ModelShape {
  readonly numLayers: number;
  /** Heads of queries. */
  readonly numHeads: number;
  /** Heads of keys and values; fewer than `numHeads` where several queries share them. */
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly hiddenSize: number;
  /** Inner width of the MLP, of gate and up each. */
  readonly intermediateSize: number;
  /** A mixture of experts in the place of the MLP of some layers. Default: there is none. */
  readonly experts?: ExpertsShape | undefined;
  readonly vocabSize: number;
  /** Tokens that the config names as the model's length. */
  readonly contextLength: number;
  /** The longest sequence that the model takes; undefined where the rotation follows the length. */
  readonly maxPositions: number | undefined;
  /** The embedding table is the output projection, too. */
  readonly tied: boolean;
  readonly norm: 'rms' | 'layer';
}
