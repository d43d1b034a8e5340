/** What the page beside a graph has to know: page.json, written by the export and read in the browser. */

export interface PageModel {
  readonly name: string;
  readonly family: string;
  readonly version: string;
  readonly dtype: 'float32' | 'float16' | 'int8';
  /** Files of the graph, relative to the folder; the graph first, then the weights beside it. */
  readonly graph: readonly string[];
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly tokenizer: {
    readonly file: string;
    /** Those of the small JSON files that name special tokens. */
    readonly beside: readonly string[];
    readonly newlineToken?: string | undefined;
  };
  readonly chat: PageChat;
  /** Of config and generation settings, beside those of the chat format. */
  readonly endTokenIds: readonly number[];
  /** Never drawn. */
  readonly maskedTokenId?: number | undefined;
  /** 0: the likeliest token always. */
  readonly temperature: number;
}

export type PageChat =
  /** A format of a family, by its name. */
  { readonly kind: 'own'; readonly name: string } | { readonly kind: 'template'; readonly text: string };

/** Where the page looks for onnxruntime-web, in the exported folder. */
export const RUNTIME_FOLDER = 'ort';
export const RUNTIME_MODULE = 'ort.wasm.bundle.min.mjs';
export const RUNTIME_WASM = 'ort-wasm-simd-threaded.wasm';
/** The version that the page is tested with. */
export const RUNTIME_VERSION = '1.30.0';
