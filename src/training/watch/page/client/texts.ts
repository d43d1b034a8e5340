/** What the page says, in English and Chinese. */
export type Language = 'en' | 'zh';

const en = {
  loss: 'Loss',
  lossRaw: 'each step',
  lossSmooth: 'smoothed',
  evaluation: 'Held-out loss',
  evaluationDot: 'dot: an evaluation on held-out rows',
  bestDot: 'large dot: the lowest so far',
  best: 'best',
  showsAll: 'show outliers',
  setup: 'Configuration',
  command: 'command',
  started: 'started',
  noSetup: 'The run did not record its configuration.',
  differ: 'differs',
  runs: 'Runs',
  details: 'Details of',
  stopped: 'the run was stopped',
  learningRate: 'Learning rate',
  gradNorm: 'Gradient norm (before clipping)',
  gradNormShort: 'Gradient norm',
  speed: 'Tokens per second',
  speedShort: 'Tokens/s',
  mfu: 'Share of peak arithmetic (MFU)',
  mfuShort: 'MFU',
  memory: 'Memory',
  memoryNow: 'now',
  memoryPeak: 'peak',
  phases: 'Seconds per step, by phase',
  tasks: 'Evaluation tasks',
  chance: 'chance',
  measuredDot: 'dot: a measurement',
  rewards: 'Rewards of the answers',
  accuracies: 'Pairs told right',
  logps: 'Log-probabilities of the answers',
  distillation: 'Distillation: both terms of the loss',
  teacherTerm: "teacher's term",
  crossEntropy: 'cross-entropy',
  chosen: 'chosen',
  rejected: 'rejected',
  margins: 'margin',
  samples: 'Written by the model',
  noSamples: 'No samples so far.',
  noData: 'No values so far',
  logX: 'log steps',
  logY: 'log loss',
  smoothing: 'smoothing',
  step: 'step',
  steps: 'steps',
  of: 'of',
  left: 'left',
  elapsed: 'elapsed',
  timeLeft: 'Time left',
  tokens: 'tokens',
  connecting: 'connecting …',
  live: 'live',
  lost: 'connection lost, trying again …',
  ended: 'the run has ended',
  themeAuto: 'Theme: system',
  themeLight: 'Theme: light',
  themeDark: 'Theme: dark',
  otherLanguage: '中文',
  data: 'data',
  forward: 'forward',
  evaluationPhase: 'evaluation',
  backward: 'backward',
  optimizer: 'optimizer',
  save: 'save',
  chartHelp: 'Arrow keys read the values.',
};

const zh: typeof en = {
  loss: '损失',
  lossRaw: '每步',
  lossSmooth: '平滑后',
  evaluation: '验证损失',
  evaluationDot: '圆点：在验证集上的一次评估',
  bestDot: '大圆点：迄今最低',
  best: '最优',
  showsAll: '显示离群值',
  setup: '配置',
  command: '命令',
  started: '开始于',
  noSetup: '这次训练没有记录配置。',
  differ: '不同',
  runs: '训练',
  details: '详情',
  stopped: '训练已中止',
  learningRate: '学习率',
  gradNorm: '梯度范数（裁剪前）',
  gradNormShort: '梯度范数',
  speed: '每秒词元数',
  speedShort: '词元/秒',
  mfu: '算力利用率（MFU）',
  mfuShort: '算力利用率',
  memory: '内存',
  memoryNow: '当前',
  memoryPeak: '峰值',
  phases: '每步各阶段耗时（秒）',
  tasks: '评测任务得分',
  chance: '随机水平',
  measuredDot: '圆点：一次测量',
  rewards: '回答的奖励',
  accuracies: '偏好判断准确率',
  logps: '回答的对数概率',
  distillation: '知识蒸馏：损失的两项',
  teacherTerm: '教师项',
  crossEntropy: '交叉熵',
  chosen: '优选',
  rejected: '拒绝',
  margins: '差值',
  samples: '模型生成的样例',
  noSamples: '暂无样例。',
  noData: '暂无数据',
  logX: '步数取对数',
  logY: '损失取对数',
  smoothing: '平滑',
  step: '步',
  steps: '步',
  of: '/',
  left: '剩余',
  elapsed: '已用',
  timeLeft: '剩余时间',
  tokens: '词元',
  connecting: '正在连接……',
  live: '实时',
  lost: '连接中断，正在重连……',
  ended: '训练已结束',
  themeAuto: '主题：跟随系统',
  themeLight: '主题：浅色',
  themeDark: '主题：深色',
  otherLanguage: 'English',
  data: '数据',
  forward: '前向',
  evaluationPhase: '验证',
  backward: '反向',
  optimizer: '优化器',
  save: '保存',
  chartHelp: '方向键读取数值。',
};

export type TextKey = keyof typeof en;
export type Texts = Readonly<Record<TextKey, string>>;

export const texts: Readonly<Record<Language, Texts>> = { en, zh };

/** The name of a phase; one that is not known is shown as it is. */
export function phaseName(name: string, say: Texts): string {
  switch (name) {
    case 'data':
    case 'forward':
    case 'backward':
    case 'optimizer':
    case 'save':
      return say[name];
    case 'evaluation':
      return say.evaluationPhase;
    default:
      return name;
  }
}

/** What is said of values that lie beyond the edge of a chart. */
export function beyondText(language: Language, count: number, farthest: string): string {
  if (language === 'zh') return `${count} 个值在图外，最远 ${farthest}`;
  return count === 1
    ? `one value lies beyond the chart: ${farthest}`
    : `${count} values lie beyond the chart, the farthest ${farthest}`;
}
