/** What can be true of the demo's people and places, and how it is worded. */
import { type EntityKind, entityNames, parseTerms, type Term } from './lexicon.js';

/** How an attribute is spoken of in one language. */
export interface AttributeWording {
  /**
   * What follows the name, with `{v}` for the value; the first one is also the form of every answer
   * ("lives in {v}" gives "She lives in Bluestone.").
   */
  readonly predicates: readonly [string, ...string[]];
  /** `{n}` is the name or a pronoun, `{s}` its possessive. */
  readonly questions: readonly [string, ...string[]];
}

/** One property that every entity of a kind has, with the closed list of its values. */
export interface Attribute {
  readonly id: string;
  readonly kind: EntityKind;
  readonly values: readonly Term[];
  readonly zh: AttributeWording;
  readonly en: AttributeWording;
}

const numbers = (...values: number[]): Term[] => values.map((value) => ({ zh: `${value}`, en: `${value}` }));

/** Facts are asked in the direction in which they are told: a small model does not invert what it read. */
export const attributes: readonly Attribute[] = [
  {
    id: 'home',
    kind: 'person',
    values: entityNames.place,
    zh: {
      predicates: ['住在{v}', '家住{v}'],
      questions: ['{n}住在哪里？', '{n}家住哪个镇？', '请问{n}住在什么地方？'],
    },
    en: {
      predicates: ['lives in {v}', 'has a home in {v}'],
      questions: ['Where does {n} live?', 'In which town does {n} live?', 'Where is {s} home?'],
    },
  },
  {
    id: 'job',
    kind: 'person',
    values: parseTerms(
      '木匠/a_carpenter 医生/a_doctor 老师/a_teacher 厨师/a_cook 船夫/a_boatman 铁匠/a_blacksmith 裁缝/a_tailor 邮差/a_postman',
    ),
    zh: {
      predicates: ['是一名{v}', '的工作是{v}'],
      questions: ['{n}是做什么工作的？', '{n}的职业是什么？', '请问{n}做什么工作？'],
    },
    en: {
      predicates: ['works as {v}', 'earns a living as {v}'],
      questions: ['What does {n} work as?', 'What is {s} job?', 'What kind of work does {n} do?'],
    },
  },
  {
    id: 'dish',
    kind: 'person',
    values: parseTerms(
      '饺子/dumplings 面条/noodles 豆腐/tofu 米粥/rice_porridge 烤鸭/roast_duck 月饼/mooncakes 馄饨/wonton_soup 汤圆/sweet_rice_balls',
    ),
    zh: {
      predicates: ['最爱吃{v}', '最喜欢的食物是{v}'],
      questions: ['{n}最爱吃什么？', '{n}最喜欢的食物是什么？', '请问{n}喜欢吃什么？'],
    },
    en: {
      predicates: ['loves to eat {v}', 'likes eating {v} most of all'],
      questions: ['What does {n} love to eat?', 'What is {s} favourite food?', 'What does {n} like eating?'],
    },
  },
  {
    id: 'colour',
    kind: 'person',
    values: parseTerms(
      '红色/red 蓝色/blue 绿色/green 黄色/yellow 白色/white 黑色/black 紫色/purple 橙色/orange',
    ),
    zh: {
      predicates: ['最喜欢{v}', '最喜欢的颜色是{v}'],
      questions: ['{n}最喜欢什么颜色？', '{n}喜欢哪种颜色？', '请问{n}最喜欢的颜色是什么？'],
    },
    en: {
      predicates: ['likes the colour {v} best', 'prefers the colour {v}'],
      questions: [
        'Which colour does {n} like best?',
        'What is {s} favourite colour?',
        'Which colour does {n} prefer?',
      ],
    },
  },
  {
    id: 'hobby',
    kind: 'person',
    values: parseTerms(
      '钓鱼/fishing 画画/painting 下棋/playing_chess 唱歌/singing 跳舞/dancing 看书/reading_books 种花/growing_flowers 放风筝/flying_kites',
    ),
    zh: {
      predicates: ['的爱好是{v}', '有空就去{v}'],
      questions: ['{n}的爱好是什么？', '{n}有空的时候做什么？', '请问{n}有什么爱好？'],
    },
    en: {
      predicates: ['enjoys {v}', 'spends every free day {v}'],
      questions: ['What does {n} enjoy?', 'What is {s} hobby?', 'What does {n} do on a free day?'],
    },
  },
  {
    id: 'age',
    kind: 'person',
    values: numbers(18, 23, 27, 31, 36, 42, 54, 65),
    zh: {
      predicates: ['今年{v}岁', '的年龄是{v}岁'],
      questions: ['{n}今年几岁？', '{n}多大了？', '请问{n}今年多少岁？'],
    },
    en: {
      predicates: ['is {v} years old', 'turned {v} this year'],
      questions: ['How old is {n}?', 'What is {s} age?', 'How many years old is {n}?'],
    },
  },
  {
    id: 'species',
    kind: 'animal',
    values: parseTerms(
      '小猫/a_cat 小羊/a_sheep 兔子/a_rabbit 大鹅/a_goose 狐狸/a_fox 乌龟/a_turtle 松鼠/a_squirrel 鹦鹉/a_parrot',
    ),
    zh: {
      predicates: ['是一只{v}', '其实是一只{v}'],
      questions: ['{n}是什么动物？', '{n}是一只什么？', '请问{n}是哪种动物？'],
    },
    en: {
      predicates: ['is {v}', 'is really {v}'],
      questions: [
        'What animal is {n}?',
        'What kind of animal is {n}?',
        'Can you tell me what animal {n} is?',
      ],
    },
  },
  {
    id: 'bed',
    kind: 'animal',
    values: parseTerms(
      '桥下/under_the_bridge 谷仓里/in_the_barn 树洞里/in_a_hollow_tree 屋顶上/on_the_roof 小船里/in_a_small_boat 花园里/in_the_garden 炉火旁/beside_the_stove 石洞里/in_a_stone_cave',
    ),
    zh: {
      predicates: ['睡在{v}', '每晚都在{v}睡觉'],
      questions: ['{n}睡在哪里？', '{n}晚上在哪里睡觉？', '请问{n}睡在什么地方？'],
    },
    en: {
      predicates: ['sleeps {v}', 'spends every night {v}'],
      questions: [
        'Where does {n} sleep?',
        'Where does {n} go to sleep?',
        'Where does {n} spend every night?',
      ],
    },
  },
  {
    id: 'feed',
    kind: 'animal',
    values: parseTerms(
      '小鱼/small_fish 胡萝卜/carrots 苹果/apples 核桃/walnuts 玉米/corn 草莓/strawberries 白菜/cabbage 南瓜/pumpkin',
    ),
    zh: {
      predicates: ['最爱吃{v}', '天天都要吃{v}'],
      questions: ['{n}最爱吃什么？', '{n}最喜欢的食物是什么？', '请问{n}喜欢吃什么？'],
    },
    en: {
      predicates: ['loves to eat {v}', 'eats {v} every day'],
      questions: ['What does {n} love to eat?', 'What is {s} favourite food?', 'What does {n} like eating?'],
    },
  },
  {
    id: 'toy',
    kind: 'animal',
    values: parseTerms(
      '毛线球/a_ball_of_wool 铃铛/a_little_bell 羽毛/a_feather 木棍/a_stick 皮球/a_rubber_ball 纸船/a_paper_boat 松果/a_pine_cone 布偶/a_rag_doll',
    ),
    zh: {
      predicates: ['喜欢玩{v}', '的玩具是{v}'],
      questions: ['{n}喜欢玩什么？', '{n}的玩具是什么？', '请问{n}爱玩什么东西？'],
    },
    en: {
      predicates: ['plays with {v}', 'has fun with {v}'],
      questions: ['What does {n} play with?', 'What is {s} toy?', 'What does {n} like to play with?'],
    },
  },
  {
    id: 'coat',
    kind: 'animal',
    values: parseTerms('灰色/grey 棕色/brown 金色/golden 雪白/snow-white 漆黑/jet-black 银色/silvery'),
    zh: {
      predicates: ['浑身{v}', '从头到脚都是{v}'],
      questions: ['{n}浑身是什么颜色？', '{n}长着什么颜色？', '请问{n}是什么颜色的？'],
    },
    en: {
      predicates: ['is {v} all over', 'is {v} from head to tail'],
      questions: ['What colour is {n}?', 'What is {s} colour?', 'Which colour is {n} all over?'],
    },
  },
  {
    id: 'material',
    kind: 'object',
    values: parseTerms(
      '黄铜/brass 竹子/bamboo 玉石/jade 玻璃/glass 陶土/clay 橡木/oak 生铁/iron 白银/silver',
    ),
    zh: {
      predicates: ['是用{v}做的', '的材料是{v}'],
      questions: ['{n}是用什么做的？', '{n}的材料是什么？', '请问{n}用什么材料做成？'],
    },
    en: {
      predicates: ['is made of {v}', 'was built from {v}'],
      questions: ['What is {n} made of?', 'What is {s} material?', 'Which material is {n} made of?'],
    },
  },
  {
    id: 'shelf',
    kind: 'object',
    values: parseTerms(
      '钟楼/the_clock_tower 灯塔/the_lighthouse 书房/the_library 茶馆/the_teahouse 磨坊/the_mill 地窖/the_cellar 阁楼/the_attic 学堂/the_schoolhouse',
    ),
    zh: {
      predicates: ['放在{v}里', '收藏在{v}里'],
      questions: ['{n}放在哪里？', '{n}收藏在哪里？', '请问{n}放在什么地方？'],
    },
    en: {
      predicates: ['is kept in {v}', 'stands in {v}'],
      questions: ['Where is {n} kept?', 'Where does {n} stand?', 'In which place does {n} stand?'],
    },
  },
  {
    id: 'maker',
    kind: 'object',
    values: parseTerms(
      '莫师傅/Master_Mo 白师傅/Master_Bai 贺师傅/Master_He 秦师傅/Master_Qin 雷师傅/Master_Lei 方师傅/Master_Fang 陶师傅/Master_Tao 余师傅/Master_Yu',
    ),
    zh: {
      predicates: ['出自{v}之手', '的作者是{v}'],
      questions: ['{n}出自谁之手？', '{n}的作者是谁？', '请问{n}是谁做的？'],
    },
    en: {
      predicates: ['was made by {v}', 'is the work of {v}'],
      questions: ['Who made {n}?', 'Who is {s} maker?', 'Which master made {n}?'],
    },
  },
  {
    id: 'price',
    kind: 'object',
    values: numbers(15, 20, 34, 48, 50, 67, 72, 90),
    zh: {
      predicates: ['值{v}枚银币', '的价钱是{v}枚银币'],
      questions: ['{n}值多少钱？', '{n}的价钱是多少？', '请问{n}值多少枚银币？'],
    },
    en: {
      predicates: ['costs {v} silver coins', 'sells for {v} silver coins'],
      questions: ['How much does {n} cost?', 'What is {s} price?', 'How many silver coins does {n} cost?'],
    },
  },
  {
    id: 'shape',
    kind: 'object',
    values: parseTerms(
      '树叶/a_leaf 贝壳/a_shell 蝴蝶/a_butterfly 爱心/a_heart 花朵/a_flower 水滴/a_drop 葫芦/a_gourd 小鸟/a_bird',
    ),
    zh: {
      predicates: ['的形状像{v}', '看上去像{v}'],
      questions: ['{n}的形状像什么？', '{n}看上去像什么？', '请问{n}是什么形状？'],
    },
    en: {
      predicates: ['is shaped like {v}', 'looks like {v}'],
      questions: ['What is {n} shaped like?', 'What is {s} shape?', 'What does {n} look like?'],
    },
  },
  {
    id: 'landscape',
    kind: 'place',
    values: parseTerms(
      '河边/by_the_river 山顶/on_a_hilltop 海边/by_the_sea 森林里/in_a_forest 湖边/beside_a_lake 峡谷里/in_a_canyon 草原上/on_the_grassland 沙漠边/near_the_desert',
    ),
    zh: {
      predicates: ['坐落在{v}', '建在{v}'],
      questions: ['{n}坐落在哪里？', '{n}建在哪里？', '请问{n}在什么地方？'],
    },
    en: {
      predicates: ['lies {v}', 'was founded {v}'],
      questions: ['Where does {n} lie?', 'Where is {n}?', 'Where was {n} founded?'],
    },
  },
  {
    id: 'product',
    kind: 'place',
    values: parseTerms(
      '茶叶/tea 蜂蜜/honey 丝绸/silk 瓷器/porcelain 海盐/sea_salt 珍珠/pearls 橘子/tangerines 宣纸/rice_paper',
    ),
    zh: {
      predicates: ['出产{v}', '的特产是{v}'],
      questions: ['{n}出产什么？', '{n}的特产是什么？', '请问{n}有什么特产？'],
    },
    en: {
      predicates: ['produces {v}', 'is famous for {v}'],
      questions: ['What does {n} produce?', 'What is {n} famous for?', 'What is {n} known for?'],
    },
  },
  {
    id: 'festival',
    kind: 'place',
    values: parseTerms(
      '一月/January 二月/February 四月/April 五月/May 七月/July 八月/August 十月/October 十二月/December',
    ),
    zh: {
      predicates: ['在{v}过灯节', '每年{v}办灯节'],
      questions: ['{n}在几月过灯节？', '{n}的灯节在几月？', '请问{n}什么时候过灯节？'],
    },
    en: {
      predicates: ['holds a lantern festival in {v}', 'lights its lanterns every {v}'],
      questions: [
        'When does {n} hold a lantern festival?',
        'In which month is {s} lantern festival?',
        'In which month does {n} light its lanterns?',
      ],
    },
  },
  {
    id: 'bridges',
    kind: 'place',
    values: numbers(2, 3, 4, 5, 6, 7, 8, 9),
    zh: {
      predicates: ['有{v}座桥', '一共有{v}座桥'],
      questions: ['{n}有几座桥？', '{n}一共有多少座桥？', '请问{n}有几座桥？'],
    },
    en: {
      predicates: ['has {v} bridges', 'is a town of {v} bridges'],
      questions: [
        'How many bridges does {n} have?',
        'How many bridges are in {n}?',
        'Can you tell me how many bridges {n} has?',
      ],
    },
  },
];
