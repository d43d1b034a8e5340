/** Why keys of several sections have no effect. */
export const GRAPH = 'compiling and scheduling of graphs by MindSpore; kernels run one by one here';
export const PARALLEL = 'hints for the parallel compiler; the layout itself is taken over';
export const REGISTRY = 'classes of the published program; the family is known by its config';
